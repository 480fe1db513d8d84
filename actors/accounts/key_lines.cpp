#include "actors/accounts/key_lines.hpp"

#include "actors/api/flat_object.hpp"
#include "protocol/crypto/encoding.hpp"

namespace mayfly::actors::accounts {
namespace {

std::optional<key_entry> parse_line(std::string_view text) {
  auto const line = api::flat_object::parse(text);
  if (!line) return std::nullopt;
  auto id = account_id::parse(line->text("account"));
  auto title = name::parse(line->text("name"));
  key_entry entry;
  if (!id || !title || !crypto::from_hexadecimal(line->text("hash"), entry.hash)) return std::nullopt;
  entry.owner = {*id, std::move(*title)};
  entry.created_unix_ms = line->number("created_unix_ms");
  entry.revoked_unix_ms = line->number("revoked_unix_ms");
  return entry;
}

} // namespace

result<std::vector<key_entry>> parse_key_lines(std::string_view text) {
  std::vector<key_entry> entries;
  for (std::int64_t number = 1; !text.empty(); ++number) {
    auto const end = text.find('\n');
    auto const line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    auto entry = parse_line(line);
    if (!entry) return error{errc::malformed, "a line of the key file is not a key", number};
    entries.push_back(std::move(*entry));
  }
  return entries;
}

std::string format_key_lines(std::vector<key_entry> const& entries) {
  std::string text;
  for (auto const& entry : entries) {
    // Names are of a set of characters that JSON does not escape.
    text += R"({"account":")" + entry.owner.id.text() + R"(","name":")" + entry.owner.title.text() +
            R"(","hash":")" + crypto::to_hexadecimal(entry.hash) + R"(","created_unix_ms":)" +
            std::to_string(entry.created_unix_ms);
    if (entry.revoked_unix_ms != 0) text += R"(,"revoked_unix_ms":)" + std::to_string(entry.revoked_unix_ms);
    text += "}\n";
  }
  return text;
}

} // namespace mayfly::actors::accounts
