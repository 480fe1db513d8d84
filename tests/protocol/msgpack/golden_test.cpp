// Bytes on record for every message kind (tests/protocol/golden/messages.json), one line a kind: its
// encoding, a whole envelope, and the value in JSON, which golden_check.py compares with what another
// MessagePack implementation reads. A change here is a change of the protocol: `test_protocol
// "[write_golden]"` writes the file anew, and whoever does so answers for every node that speaks the old one.
#include "protocol/crypto/encoding.hpp"
#include "protocol/msgpack/envelope.hpp"
#include "tests/protocol/samples.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iomanip>
#include <sstream>

using namespace mayfly;

namespace {

char const* const golden_path = MAYFLY_SOURCE_DIR "/tests/protocol/golden/messages.json";

template <class T>
void write_json(std::ostream& to, T const& value);

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

void write_binary(std::ostream& to, std::span<std::byte const> bytes) {
  to << R"({"binary": )" << quoted(crypto::to_hexadecimal(bytes)) << '}';
}

template <class T>
void write_scalar(std::ostream& to, T const& value) {
  if constexpr (std::same_as<T, bool>)
    to << (value ? "true" : "false");
  else if constexpr (std::is_floating_point_v<T>)
    to << R"({"real": )" << std::setprecision(17) << static_cast<double>(value) << '}';
  else if constexpr (std::is_enum_v<T>)
    to << +static_cast<std::underlying_type_t<T>>(value);
  else if constexpr (std::is_integral_v<T>)
    to << +value;
  else if constexpr (std::same_as<T, name>)
    to << quoted(value.view());
  else if constexpr (std::same_as<T, messages::bytes32> || std::same_as<T, messages::bytes64>)
    write_binary(to, value);
  else if constexpr (std::same_as<T, request_id>)
    to << '[' << value.retention.value << ", " << value.serial << ']';
  else if constexpr (messages::detail::is_id<T>::value)
    to << value.value;
  else
    to << value.count();
}

template <class T>
void write_message(std::ostream& to, T const& value) {
  char const* separator = "";
  to << R"({"map": {)";
  messages::for_each_field(value, [&](auto const& field, auto const& member) {
    if (wire::detail::is_left_out(member)) return;
    to << separator << '"' << +field.tag << R"(": )";
    write_json(to, member);
    separator = ", ";
  });
  to << "}}";
}

template <class T>
void write_json(std::ostream& to, T const& value) {
  if constexpr (messages::detail::is_optional<T>::value)
    write_json(to, *value);
  else if constexpr (messages::detail::is_vector<T>::value) {
    char const* separator = "";
    to << '[';
    for (auto const& element : value) {
      to << separator;
      write_json(to, element);
      separator = ", ";
    }
    to << ']';
  } else if constexpr (messages::message<T>)
    write_message(to, value);
  else if constexpr (is_ephemeral_v<T>) {
    auto const content = value.reveal();
    write_binary(to, std::as_bytes(std::span(content.data(), content.size())));
  } else
    write_scalar(to, value);
}

/// The first seed from the kind's number on whose value is small enough to read, yet not blank.
template <class M>
M golden_value(std::uint64_t seed) {
  for (;; seed += 1000) {
    auto value = samples::make<M>(seed);
    ephemeral_bytes encoded;
    wire::encode(value, encoded);
    if (encoded.size() < 1500 && wire::detail::entries_of(value) == messages::field_count<M>) return value;
  }
}

template <class Entry>
std::string golden_line() {
  auto const value = golden_value<typename Entry::message_type>(Entry::number);
  ephemeral_bytes encoded;
  wire::encode(value, encoded);
  wire::route const way{request_id{{0x1111}, 0x2222}, 300, node_id{70'000}, node_id{9},
                        std::chrono::milliseconds(2500)};
  auto const frame = wire::encode_envelope(way, value);
  std::ostringstream line;
  line << R"({"kind": )" << Entry::number << R"(, "ephemeral": )"
       << (Entry::retention == messages::retention_class::ephemeral ? "true" : "false") << R"(, "encoding": )"
       << quoted(crypto::to_hexadecimal(encoded.reveal())) << R"(, "envelope": )"
       << quoted(crypto::to_hexadecimal(frame.reveal())) << R"(, "value": )";
  write_json(line, value);
  line << '}';
  return line.str();
}

std::vector<std::string> golden_lines() {
  std::vector<std::string> lines;
  messages::catalogue::for_each([&]<class Entry>() { lines.push_back(golden_line<Entry>()); });
  return lines;
}

std::vector<std::string> lines_on_record() {
  std::ifstream file(golden_path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (line == "[" || line == "]") continue;
    if (line.ends_with(',')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

} // namespace

TEST_CASE("every message kind and its envelope encode to the bytes on record") {
  auto const expected = lines_on_record();
  auto const made = golden_lines();
  REQUIRE(made.size() == expected.size());
  for (std::size_t index = 0; index < made.size(); ++index) REQUIRE(made[index] == expected[index]);
}

TEST_CASE("the bytes on record of every kind decode to the values that made them") {
  auto const lines = lines_on_record();
  std::size_t index = 0;
  messages::catalogue::for_each([&]<class Entry>() {
    REQUIRE(index < lines.size());
    auto const& line = lines[index++];
    std::string_view const key = R"("encoding": ")";
    auto const start = line.find(key) + key.size();
    auto const text = std::string_view(line).substr(start, line.find('"', start) - start);
    std::vector<std::byte> bytes(text.size() / 2);
    REQUIRE(crypto::from_hexadecimal(text, bytes));
    auto const decoded = wire::decode<typename Entry::message_type>(bytes);
    REQUIRE(decoded);
    REQUIRE(samples::same(*decoded, golden_value<typename Entry::message_type>(Entry::number)));
  });
}

TEST_CASE("write the golden vectors anew", "[.][write_golden]") {
  std::ofstream file(golden_path);
  char const* separator = "[\n";
  for (auto const& line : golden_lines()) {
    file << separator << line;
    separator = ",\n";
  }
  file << "\n]\n";
  REQUIRE(file.flush());
}
