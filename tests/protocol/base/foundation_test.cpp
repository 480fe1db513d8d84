// clock, wiping, comparison, errors and results
#include "protocol/base/clock.hpp"
#include "protocol/base/error.hpp"
#include "protocol/base/result.hpp"
#include "protocol/base/secret_comparison.hpp"
#include "protocol/base/wipe.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <ctime>
#include <memory>
#include <set>
#include <string>

using namespace mayfly;

namespace {

std::span<std::byte const> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

} // namespace

TEST_CASE("the boot clock counts on and agrees with the kernel's") {
  auto const before = boot_clock::now();
  timespec kernel{};
  REQUIRE(clock_gettime(CLOCK_BOOTTIME, &kernel) == 0);
  auto const after = boot_clock::now();
  boot_clock::time_point const between(std::chrono::seconds(kernel.tv_sec) +
                                       std::chrono::nanoseconds(kernel.tv_nsec));
  REQUIRE(before <= between);
  REQUIRE(between <= after);
}

TEST_CASE("wall-clock time is in milliseconds since 1970") {
  auto const seconds = static_cast<std::int64_t>(std::time(nullptr));
  REQUIRE(unix_milliseconds() >= seconds * 1000);
  REQUIRE(unix_milliseconds() < (seconds + 3600) * 1000);
}

TEST_CASE("equal secrets are equal and any other byte makes them differ") {
  REQUIRE(equal_in_constant_time(bytes(""), bytes("")));
  REQUIRE(equal_in_constant_time(bytes("secret"), bytes("secret")));
  for (std::size_t place = 0; place < 6; ++place)
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = "secret";
      other[place] = static_cast<char>(other[place] ^ (1 << bit));
      REQUIRE_FALSE(equal_in_constant_time(bytes("secret"), bytes(other)));
    }
}

TEST_CASE("secrets of different lengths differ") {
  REQUIRE_FALSE(equal_in_constant_time(bytes("secret"), bytes("secre")));
  REQUIRE_FALSE(equal_in_constant_time(bytes(""), bytes("s")));
}

TEST_CASE("wiping overwrites exactly the bytes it is given") {
  unsigned char memory[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  wipe(memory + 2, 4);
  unsigned char const expected[8] = {1, 2, 0, 0, 0, 0, 7, 8};
  REQUIRE(std::memcmp(memory, expected, sizeof memory) == 0);
  wipe(nullptr, 0);
}

TEST_CASE("every error has a name of its own") {
  std::set<std::string_view> names;
  std::size_t known = 0;
  for (std::uint16_t number = 0; number < 1000; ++number) {
    auto const name = name_of(static_cast<errc>(number));
    if (name == "unknown") continue;
    ++known;
    names.insert(name);
  }
  REQUIRE(known == names.size());
  REQUIRE(known == 34);
}

TEST_CASE("error numbers are frozen") {
  REQUIRE(static_cast<int>(errc::context_length_exceeded) == 10);
  REQUIRE(static_cast<int>(errc::unsupported_media_type) == 13);
  REQUIRE(static_cast<int>(errc::unavailable) == 107);
  REQUIRE(static_cast<int>(errc::untrusted) == 206);
  REQUIRE(static_cast<int>(errc::backend_failed) == 304);
}

TEST_CASE("a result holds a value or an error") {
  result<int> const fine = 5;
  REQUIRE(fine);
  REQUIRE(*fine == 5);
  result<int> const broken = error{errc::io, "a disk", 7};
  REQUIRE_FALSE(broken);
  REQUIRE(broken.failure().code == errc::io);
  REQUIRE(broken.failure().what.view() == "a disk");
  REQUIRE(broken.failure().number == 7);
  REQUIRE_THROWS_AS(broken.value(), std::bad_variant_access);
}

TEST_CASE("a result gives up what can only be moved") {
  result<std::unique_ptr<int>> held = std::make_unique<int>(3);
  auto const taken = *std::move(held);
  REQUIRE(*taken == 3);
}

TEST_CASE("a result without a value is fine until it holds an error") {
  REQUIRE(result<void>());
  result<void> const broken = error{errc::cancelled, "gone", 0};
  REQUIRE_FALSE(broken);
  REQUIRE(broken.failure().code == errc::cancelled);
}

TEST_CASE("an error in words says what its number means") {
  CHECK(in_words({errc::malformed, "a bad byte", 0}) == "a bad byte");
  CHECK(in_words({errc::malformed, "a bad byte", 17}) == "a bad byte (17)");
  CHECK(in_words({errc::io, "the file", 2}) == "the file (No such file or directory)");
}
