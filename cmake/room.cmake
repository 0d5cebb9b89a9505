# One library per room, one test program per room. Warnings are errors.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_program(CCACHE ccache)
if(CCACHE)
  # ccache caches precompiled-header builds only when told that their time stamps do not matter.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()

add_library(skymoor_flags INTERFACE)
target_include_directories(skymoor_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(skymoor_flags INTERFACE -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
                                               -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(skymoor_flags INTERFACE -Wthread-safety -Wno-gnu-statement-expression)
else()
  # GCC 12 reports false positives in its own <string> and <vector> under -O2 (GCC bugs 105329, 105762).
  target_compile_options(skymoor_flags INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds
                                                 -Wno-maybe-uninitialized)
endif()
target_compile_definitions(skymoor_flags INTERFACE _FILE_OFFSET_BITS=64 _GNU_SOURCE)
target_link_libraries(skymoor_flags INTERFACE Threads::Threads)
if(SKYMOOR_SANITIZE STREQUAL "thread")
  target_compile_options(skymoor_flags INTERFACE -fsanitize=thread -Wno-tsan)
  target_link_options(skymoor_flags INTERFACE -fsanitize=thread)
elseif(SKYMOOR_SANITIZE STREQUAL "address")
  # What libFuzzer needs, too, so that fuzz targets and tests share one build.
  target_compile_options(skymoor_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=undefined)
  target_compile_definitions(skymoor_flags INTERFACE _GLIBCXX_ASSERTIONS)
  target_link_options(skymoor_flags INTERFACE -fsanitize=address,undefined)
endif()

file(WRITE ${CMAKE_BINARY_DIR}/generated/skymoor_version.h.tmp
     "#pragma once\n#define SKYMOOR_VERSION \"${PROJECT_VERSION}\"\n")
configure_file(${CMAKE_BINARY_DIR}/generated/skymoor_version.h.tmp ${CMAKE_BINARY_DIR}/generated/skymoor_version.h
               COPYONLY)

if(SKYMOOR_PCH)
  add_library(skymoor_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
  target_link_libraries(skymoor_pch PUBLIC skymoor_flags)
  target_precompile_headers(skymoor_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
endif()

function(skymoor_use_pch TARGET)
  if(SKYMOOR_PCH)
    target_precompile_headers(${TARGET} REUSE_FROM skymoor_pch)
  endif()
endfunction()

# skymoor_room(NAME SOURCES a.cc ... DEPS room ... PRIVATE_DEPS vendor ...)
function(skymoor_room NAME)
  cmake_parse_arguments(R "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${NAME} STATIC ${R_SOURCES})
  target_link_libraries(${NAME} PUBLIC skymoor_flags ${R_DEPS} PRIVATE ${R_PRIVATE_DEPS})
  skymoor_use_pch(${NAME})
endfunction()

# skymoor_test(NAME SOURCES a_test.cc ... DEPS room ... [LABELS l ...] [TIMEOUT seconds])
# One GoogleTest program and one ctest entry.
function(skymoor_test NAME)
  cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${NAME} ${T_SOURCES})
  target_link_libraries(${NAME} PRIVATE skymoor_flags ${T_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  skymoor_use_pch(${NAME})
  add_test(NAME ${NAME} COMMAND ${NAME})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  set_tests_properties(${NAME} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "unit;${T_LABELS}")
endfunction()
