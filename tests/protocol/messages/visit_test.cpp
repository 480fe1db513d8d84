#include "protocol/messages/visit.hpp"

#include "protocol/messages/catalogue.hpp"
#include "protocol/messages/enumerators.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

using namespace mayfly;

TEST_CASE("a visitor sees every field in tag order with its name") {
  messages::credit const message{request_id{{1}, 2}, 3, 4};
  std::vector<std::string> seen;
  messages::for_each_field(message, [&](auto const& field, auto const&) {
    seen.push_back(std::to_string(field.tag) + " " + std::string(field.name.view()));
  });
  REQUIRE(seen == std::vector<std::string>{"1 request", "2 choice", "3 chunks"});
  REQUIRE(messages::field_count<messages::credit> == 3);
}

TEST_CASE("a visitor may change a message's fields") {
  messages::heartbeat beat{4};
  messages::for_each_field(beat, [](auto const&, std::uint64_t& value) { value += 1; });
  REQUIRE(beat.sequence == 5);
}

TEST_CASE("kind numbers are unique") {
  std::set<std::uint16_t> numbers;
  std::size_t kinds = 0;
  messages::catalogue::for_each([&]<class Entry>() {
    numbers.insert(Entry::number);
    ++kinds;
  });
  REQUIRE(numbers.size() == kinds);
}

TEST_CASE("a field's name is its member's, unique within the message") {
  messages::catalogue::for_each([&]<class Entry>() {
    typename Entry::message_type blank;
    std::set<std::string_view> names;
    messages::for_each_field(blank, [&](auto const& field, auto const&) { names.insert(field.name.view()); });
    REQUIRE(names.size() == messages::field_count<typename Entry::message_type>);
  });
}

TEST_CASE("enumerators have names, numbers beyond the list do not") {
  REQUIRE(messages::enumerator_name(messages::retention_policy::none) == "none");
  REQUIRE(messages::enumerator_name(messages::wipe_state::unconfirmed) == "unconfirmed");
  REQUIRE(messages::enumerator_name(messages::chat_role::developer) == "developer");
  REQUIRE(messages::enumerator_name(static_cast<messages::wipe_state>(9)) == "unknown");
}
