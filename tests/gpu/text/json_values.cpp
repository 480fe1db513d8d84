#include "json_values.hpp"

#include "gpu/text/utf8.hpp"

#include <charconv>
#include <fstream>
#include <stdexcept>

namespace mayfly::gpu::jinja {
namespace {

class json_reader {
public:
  json_reader(std::string_view source, arena& memory, origin from)
      : rest_(source), memory_(memory), from_(from) {}

  value read() {
    skip_space();
    if (take("null")) return value::none();
    if (take("true")) return value(true);
    if (take("false")) return value(false);
    if (take("[")) return read_list();
    if (take("{")) return read_mapping();
    return rest_.starts_with('"') ? read_text() : read_number();
  }

private:
  void skip_space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t' || rest_[0] == '\r'))
      rest_.remove_prefix(1);
  }

  bool take(std::string_view word) {
    skip_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  void expect(std::string_view word) {
    if (!take(word)) throw std::runtime_error("no JSON");
  }

  value read_list() {
    auto* made = memory_.make<list>(memory_);
    while (!take("]")) {
      if (!made->values.empty()) expect(",");
      made->values.push_back(read());
    }
    return value(made);
  }

  value read_mapping() {
    auto* made = memory_.make<mapping>(memory_);
    while (!take("}")) {
      if (!made->entries.empty()) expect(",");
      skip_space();
      auto const key = read_text();
      expect(":");
      made->set(key, read());
    }
    return value(made);
  }

  value read_number() {
    auto const size = rest_.find_first_not_of("0123456789+-.eE");
    auto const digits = rest_.substr(0, size);
    rest_.remove_prefix(digits.size());
    auto const* const end = digits.data() + digits.size();
    std::int64_t whole = 0;
    if (auto const read = std::from_chars(digits.data(), end, whole);
        read.ec == std::errc() && read.ptr == end)
      return value(whole, from_);
    double real = 0;
    if (digits.empty() || std::from_chars(digits.data(), end, real).ec != std::errc())
      throw std::runtime_error("no JSON");
    return value(real, from_);
  }

  char32_t read_code() {
    std::uint32_t code = 0;
    auto const digits = rest_.substr(0, 4);
    std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    rest_.remove_prefix(digits.size());
    return code;
  }

  value read_text() {
    expect("\"");
    auto& out = *memory_.make<text_builder>(memory_);
    while (!rest_.empty() && rest_[0] != '"') {
      auto const plain = rest_.substr(0, rest_.find_first_of("\"\\"));
      out.append(plain, from_);
      rest_.remove_prefix(plain.size());
      if (rest_.starts_with('\\')) read_escape(out);
    }
    expect("\"");
    return make_text(out, memory_);
  }

  void read_escape(text_builder& out) {
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    auto const letter = rest_.at(1);
    rest_.remove_prefix(2);
    if (letter != 'u') return out.append({&meanings[letters.find(letter)], 1}, from_);
    auto code = read_code();
    if (code >= 0xD800 && code < 0xDC00 && rest_.starts_with("\\u")) {
      rest_.remove_prefix(2);
      code = 0x10000 + ((code - 0xD800) << 10) + (read_code() - 0xDC00);
    }
    out.append(encode_utf8(code).view(), from_);
  }

  std::string_view rest_;
  arena& memory_;
  origin from_;
};

} // namespace

value read_json(std::string_view source, arena& memory, origin from) {
  return json_reader(source, memory, from).read();
}

std::vector<value> read_json_lines(std::string const& path, arena& memory) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<value> lines;
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) lines.push_back(read_json(line, memory));
  return lines;
}

std::string_view text_member(value object, std::string_view name) {
  auto const* found = object.entries->find(name);
  if (found == nullptr || !found->is(kind::text)) throw std::runtime_error("no text " + std::string(name));
  return found->characters->view();
}

} // namespace mayfly::gpu::jinja
