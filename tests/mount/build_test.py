"""A CMake build in the mount: configure, compile, archive, link, run, and know that there is nothing left to do."""

import os

from harness import run

NINJA = "/usr/bin/ninja"
CONSUMER = """
#include <gtest/gtest.h>
TEST(Built, InTheMount) { EXPECT_EQ(2 + 2, 4); }
"""
PROJECT = """
cmake_minimum_required(VERSION 3.13)
project(consumer CXX)
set(BUILD_GMOCK OFF CACHE BOOL "")
set(INSTALL_GTEST OFF CACHE BOOL "")
add_subdirectory(googletest)
enable_testing()
add_executable(consumer consumer.cc)
target_link_libraries(consumer gtest_main)
add_test(NAME consumer COMMAND consumer)
"""


def test_googletest_and_a_program_that_uses_it(work):
    run("cp", "-r", "/usr/src/googletest", work / "googletest")
    (work / "consumer.cc").write_text(CONSUMER)
    (work / "CMakeLists.txt").write_text(PROJECT)
    build = work / "build"
    run("cmake", "-S", work, "-B", build, "-G", "Ninja", "-DCMAKE_CXX_FLAGS=-O0", "-DCMAKE_CXX_COMPILER_LAUNCHER=",
        f"-DCMAKE_MAKE_PROGRAM={NINJA}", timeout=300)
    run(NINJA, "-C", build, "consumer", timeout=600)
    assert "1 test from 1 test suite ran" in run(build / "consumer").stdout
    assert "100% tests passed" in run("ctest", "--test-dir", build).stdout
    assert "no work to do" in run(NINJA, "-C", build, "consumer").stdout
    os.utime(work / "consumer.cc")
    rebuilt = run(NINJA, "-C", build, "consumer", timeout=300).stdout
    assert "consumer.cc.o" in rebuilt and "gtest-all" not in rebuilt, "only what is newer is built again"
    run(NINJA, "-C", build, "-t", "clean")
    assert not (build / "consumer").exists()
