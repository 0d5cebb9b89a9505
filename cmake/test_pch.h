// What nearly every test program reads besides.
#pragma once
#include "cmake/pch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
