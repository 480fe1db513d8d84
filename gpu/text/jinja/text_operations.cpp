#include "gpu/text/jinja/text_operations.hpp"

#include "gpu/text/utf8.hpp"

namespace mayfly::gpu::jinja {

bool is_python_space(char32_t code) noexcept {
  return is_white_space(code) || (code >= 0x1C && code <= 0x1F);
}

namespace {

bool strips(text const* characters, std::string_view character, char32_t code) {
  return characters == nullptr ? is_python_space(code)
                               : characters->view().find(character) != std::string_view::npos;
}

/// Bytes of the last character.
std::size_t last_bytes(std::string_view of) noexcept {
  std::size_t count = 1;
  while (count < of.size() && count < 4 &&
         (static_cast<unsigned char>(of[of.size() - count]) & 0xC0U) == 0x80U)
    ++count;
  return count;
}

/// Where the next line break stands: [begin, end); [size, size) for none.
std::pair<std::size_t, std::size_t> next_line_break(std::string_view of) noexcept {
  for (std::size_t at = 0; at < of.size();) {
    auto const character = decode_utf8(of.substr(at));
    auto const code = character.code;
    auto const breaks = (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 ||
                        code == 0x2028 || code == 0x2029;
    auto const pair = code == '\r' && at + 1 < of.size() && of[at + 1] == '\n';
    if (breaks) return {at, at + character.bytes + (pair ? 1 : 0)};
    at += character.bytes;
  }
  return {of.size(), of.size()};
}

/// Bytes up to the next white space.
std::size_t word_bytes(std::string_view of) noexcept {
  std::size_t at = 0;
  while (at < of.size()) {
    auto const character = decode_utf8(of.substr(at));
    if (is_python_space(character.code)) break;
    at += character.bytes;
  }
  return at;
}

list& split_words(interpreter& with, text of, std::int64_t most) {
  auto& parts = with.make_list();
  for (of = strip(of, nullptr, side::left); !of.empty(); of = strip(of, nullptr, side::left)) {
    if (most >= 0 && static_cast<std::int64_t>(parts.values.size()) == most) {
      parts.values.push_back(with.make(strip(of, nullptr, side::right)));
      break;
    }
    auto const size = word_bytes(of.view());
    parts.values.push_back(with.make(of.sub(0, size)));
    of = of.sub(size);
  }
  return parts;
}

} // namespace

text strip(text of, text const* characters, side where) {
  while (where != side::right && !of.empty()) {
    auto const first = decode_utf8(of.view());
    if (!strips(characters, of.view().substr(0, first.bytes), first.code)) break;
    of = of.sub(first.bytes);
  }
  while (where != side::left && !of.empty()) {
    auto const size = last_bytes(of.view());
    auto const last = of.view().substr(of.size - size);
    if (!strips(characters, last, decode_utf8(last).code)) break;
    of = of.sub(0, of.size - size);
  }
  return of;
}

text replace(interpreter& with, text of, text from, text to, std::int64_t most) {
  auto& out = with.build();
  // An empty `from` stands in front of every character and at the end.
  for (; most != 0; --most) {
    auto const found = of.view().find(from.view());
    if (found == std::string_view::npos) break;
    out.append(of.sub(0, found));
    out.append(to);
    with.charge_bytes(found + to.size + 64);
    of = of.sub(found + from.size);
    if (!from.empty()) continue;
    if (of.empty()) break;
    auto const step = decode_utf8(of.view()).bytes;
    out.append(of.sub(0, step));
    of = of.sub(step);
  }
  out.append(of);
  return out.result();
}

list& split(interpreter& with, text of, text const* separator, std::int64_t most) {
  if (separator == nullptr) return split_words(with, of, most);
  if (separator->empty()) with.refuse("a chat template splits at nothing");
  auto& parts = with.make_list();
  for (; most != 0; --most) {
    auto const found = of.view().find(separator->view());
    if (found == std::string_view::npos) break;
    with.charge_bytes(found + 64);
    parts.values.push_back(with.make(of.sub(0, found)));
    of = of.sub(found + separator->size);
  }
  parts.values.push_back(with.make(of));
  return parts;
}

list& split_from_right(interpreter& with, text of, text const* separator, std::int64_t most) {
  if (separator == nullptr || most < 0) return split(with, of, separator, most < 0 ? -1 : most);
  if (separator->empty()) with.refuse("a chat template splits at nothing");
  auto& parts = with.make_list();
  for (; most != 0; --most) {
    auto const found = of.view().rfind(separator->view());
    if (found == std::string_view::npos) break;
    with.charge_bytes(of.size - found + 64);
    parts.values.insert(parts.values.begin(), with.make(of.sub(found + separator->size)));
    of = of.sub(0, found);
  }
  parts.values.insert(parts.values.begin(), with.make(of));
  return parts;
}

list& split_lines(interpreter& with, text of, bool keep_ends) {
  auto& lines = with.make_list();
  while (!of.empty()) {
    auto const [begin, end] = next_line_break(of.view());
    lines.values.push_back(with.make(of.sub(0, keep_ends ? end : begin)));
    of = of.sub(end);
  }
  return lines;
}

text join_texts(interpreter& with, list const& parts, text between) {
  auto& out = with.build();
  for (std::size_t at = 0; at < parts.values.size(); ++at) {
    if (at > 0) out.append(between);
    auto const part = with.as_text(parts.values[at]);
    with.charge_bytes(part.size + 64);
    out.append(part);
  }
  return out.result();
}

text const* text_argument(interpreter& with, arguments const& given, std::size_t index,
                          std::string_view name) {
  auto const* found = given.find(index, name);
  if (found == nullptr || found->is(kind::none)) return nullptr;
  if (!found->is(kind::text)) with.refuse("a chat template gives no text where one is due");
  return found->characters;
}

} // namespace mayfly::gpu::jinja
