# One library per room, one test program per room. Warnings are errors.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_program(CCACHE ccache)
if(CCACHE)
  # ccache caches precompiled-header builds only when told that their time stamps do not matter. It reads a checksum of the
  # header, where there is one beside it: to hash 130 MB for each file takes a third of what compiling it does.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_PCH_EXTSUM=1 ${CCACHE})
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

# Test code is compiled more often than it runs: it is optimised less than what it tests.
add_library(skymoor_test_flags INTERFACE)
target_link_libraries(skymoor_test_flags INTERFACE skymoor_flags)
target_compile_options(skymoor_test_flags INTERFACE $<$<CONFIG:RelWithDebInfo>:-O1>)

# skymoor_precompile(NAME HEADER FLAGS...): a target whose precompiled header others reuse, and a checksum of what is in it (its
# own bytes are others each time).
function(skymoor_precompile NAME HEADER)
  add_library(${NAME} OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
  target_link_libraries(${NAME} PUBLIC ${ARGN})
  target_precompile_headers(${NAME} PRIVATE ${HEADER})
  set(compiled ${CMAKE_BINARY_DIR}/CMakeFiles/${NAME}.dir/cmake_pch.hxx.gch)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    set(compiled ${CMAKE_BINARY_DIR}/CMakeFiles/${NAME}.dir/cmake_pch.hxx.pch)
  endif()
  add_custom_command(OUTPUT ${compiled}.sum DEPENDS ${compiled}
                     COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -I${CMAKE_SOURCE_DIR} -E -P -x c++ ${HEADER} -o ${compiled}.text
                     COMMAND sha256sum <${compiled}.text >${compiled}.sum)
  add_custom_target(${NAME}_sum DEPENDS ${compiled}.sum)
endfunction()

if(SKYMOOR_PCH)
  skymoor_precompile(skymoor_pch ${CMAKE_SOURCE_DIR}/cmake/pch.h skymoor_flags)
endif()
if(SKYMOOR_PCH AND SKYMOOR_TESTS)
  find_package(GTest REQUIRED)
  skymoor_precompile(skymoor_test_pch ${CMAKE_SOURCE_DIR}/cmake/test_pch.h skymoor_test_flags GTest::gmock)
endif()

function(skymoor_use_pch TARGET PCH)
  if(SKYMOOR_PCH)
    target_precompile_headers(${TARGET} REUSE_FROM ${PCH})
    add_dependencies(${TARGET} ${PCH}_sum)
  endif()
endfunction()

# skymoor_room(NAME SOURCES a.cc ... DEPS room ... PRIVATE_DEPS vendor ...)
function(skymoor_room NAME)
  cmake_parse_arguments(R "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${NAME} STATIC ${R_SOURCES})
  target_link_libraries(${NAME} PUBLIC skymoor_flags ${R_DEPS} PRIVATE ${R_PRIVATE_DEPS})
  skymoor_use_pch(${NAME} skymoor_pch)
endfunction()

# skymoor_test_library(NAME SOURCES a.cc ... DEPS room ...): what several test programs share.
function(skymoor_test_library NAME)
  cmake_parse_arguments(T "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${NAME} STATIC ${T_SOURCES})
  target_link_libraries(${NAME} PUBLIC skymoor_test_flags ${T_DEPS} GTest::gmock GTest::gtest)
  skymoor_use_pch(${NAME} skymoor_test_pch)
endfunction()

# skymoor_test(NAME SOURCES a_test.cc ... DEPS room ... [LABELS l ...] [TIMEOUT seconds])
# One GoogleTest program and one ctest entry.
function(skymoor_test NAME)
  cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${NAME} ${T_SOURCES})
  target_link_libraries(${NAME} PRIVATE skymoor_test_flags ${T_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  skymoor_use_pch(${NAME} skymoor_test_pch)
  add_test(NAME ${NAME} COMMAND ${NAME})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  set_tests_properties(${NAME} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "unit;${T_LABELS}")
endfunction()
