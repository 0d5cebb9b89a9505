#include "shared/base/ip_address.h"

#include <gtest/gtest.h>

namespace skymoor {
namespace {

TEST(IpAddressTest, BothSpellingsOfAnIpv4AddressAreTheSame) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1"), IpAddress::parse("::ffff:192.0.2.1"));
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1")->to_string(), "192.0.2.1");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0::1")->to_string(), "2001:db8::1");
}

TEST(IpAddressTest, OnlyAddressesAre) {
  for (const std::string text : {"", " ", "localhost", "192.0.2", "192.0.2.256", "192.0.2.1:80", "[::1]", "::1%lo", "1.2.3.4 ", "12345::"})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  EXPECT_FALSE(IpAddress::parse(std::string(10000, '1')));
}

TEST(IpAddressTest, Loopback) {
  for (const char* text : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}) EXPECT_TRUE(IpAddress::parse(text)->is_loopback()) << text;
  for (const char* text : {"128.0.0.1", "::2", "1::1", "::", "0.0.0.0"}) EXPECT_FALSE(IpAddress::parse(text)->is_loopback()) << text;
}

TEST(IpAddressTest, HostsOfThisMachine) {
  for (const char* host : {"localhost", "127.0.0.1", "[::1]", "::1"}) EXPECT_TRUE(is_loopback_host(host)) << host;
  for (const char* host : {"", "[", "[]", "localhost.evil.org", "127.evil.org", "127.0.0.1.evil.org", "[::2]", "0.0.0.0"})
    EXPECT_FALSE(is_loopback_host(host)) << host;
}

bool holds(const char* network, const char* address) {
  return IpNetwork::parse(network)->contains(*IpAddress::parse(address));
}

TEST(IpNetworkTest, HoldsItsAddresses) {
  EXPECT_TRUE(holds("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(holds("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(holds("10.1.2.3/8", "10.9.9.9"));   // what lies after the prefix says nothing
  EXPECT_TRUE(holds("192.0.2.128/25", "192.0.2.255"));
  EXPECT_FALSE(holds("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(holds("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(holds("::/0", "2001:db8::1"));
  EXPECT_TRUE(holds("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(holds("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(holds("192.0.2.1", "192.0.2.2"));
  EXPECT_EQ(IpNetwork::parse("10.1.2.3/8")->to_string(), "10.0.0.0/8");
  EXPECT_EQ(IpNetwork::parse("2001:db8::1/32")->to_string(), "2001:db8::/32");
}

TEST(IpNetworkTest, WhatIsNoneIsNamed) {
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "proxy/8", "10.0.0.0/8/8"}) {
    const auto network = IpNetwork::parse(text);
    ASSERT_FALSE(network.ok()) << text;
    EXPECT_EQ(network.error().code(), Code::kInvalidArgument);
    EXPECT_NE(network.error().message().find(text), std::string::npos);
  }
}

TEST(IpAddress, CountForTheNetworkThatOneOwnerWouldHold) {
  EXPECT_EQ(network_of("192.0.2.77"), "192.0.2.0/24");
  EXPECT_EQ(network_of("::ffff:192.0.2.77"), "192.0.2.0/24");
  EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(network_of("2001:db8:1:2::9"), network_of("2001:db8:1:2:ffff::1"));
  EXPECT_NE(network_of("2001:db8:1:2::9"), network_of("2001:db8:1:3::9"));
  EXPECT_EQ(network_of(std::string(500, 'x')).size(), 64u);
}

}  // namespace
}  // namespace skymoor
