// Filters on texts and numbers, and those that turn values into text.
#include "gpu/text/jinja/tables.hpp"
#include "gpu/text/jinja/text_operations.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace mayfly::gpu::jinja {
namespace {

value upper(interpreter& with, value self, arguments const&) {
  return with.make(change_case(with, with.as_text(self), letter_case::upper));
}

value lower(interpreter& with, value self, arguments const&) {
  return with.make(change_case(with, with.as_text(self), letter_case::lower));
}

value capitalize(interpreter& with, value self, arguments const&) {
  return with.make(change_case(with, with.as_text(self), letter_case::capital));
}

value title(interpreter& with, value self, arguments const&) {
  return with.make(title_words(with, with.as_text(self)));
}

value trim(interpreter& with, value self, arguments const& given) {
  return with.make(strip(with.as_text(self), text_argument(with, given, 0, "chars"), side::both));
}

value replace_filter(interpreter& with, value self, arguments const& given) {
  auto const from = with.as_text(given.get(0, "old"));
  auto const to = with.as_text(given.get(1, "new"));
  return with.make(replace(with, with.as_text(self), from, to, given.integer(2, "count", -1)));
}

value to_string(interpreter& with, value self, arguments const&) { return with.make(with.as_text(self)); }

value fall_back(interpreter& with, value self, arguments const& given) {
  auto const missing = self.is(kind::undefined) || (given.flag(1, "boolean") && !truth(self));
  return missing ? given.get(0, "default_value", with.make(text{})) : self;
}

value indent(interpreter& with, value self, arguments const& given) {
  auto const width = given.get(0, "width", value(std::int64_t{4}));
  auto const blank = given.flag(2, "blank");
  auto& spaces = with.build();
  if (width.is(kind::text))
    spaces.append(*width.characters);
  else
    for (auto left = given.integer(0, "width", 4); left > 0 && spaces.size() < 10'000; --left)
      spaces.append_own(" ");
  auto& closed = with.build(); // jinja2 adds a line break so that a last empty line counts
  closed.append(with.as_text(self));
  closed.append_own("\n");
  auto const& lines = split_lines(with, closed.result(), false).values;
  auto& out = with.build();
  for (std::size_t at = 0; at < lines.size(); ++at) {
    auto const line = *lines[at].characters;
    if (at > 0) out.append_own("\n");
    if (at == 0 ? given.flag(1, "first") : blank || !line.empty()) out.append(spaces.result());
    with.charge_bytes(line.size + spaces.size() + 64);
    out.append(line);
  }
  return with.make(out);
}

value escape(interpreter& with, value self, arguments const&) {
  constexpr std::pair<char, std::string_view> entities[] = {
      {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
  auto& out = with.build();
  auto const of = with.as_text(self);
  for (std::size_t at = 0; at < of.size; ++at) {
    auto const part = of.sub(at, 1);
    auto known = false;
    for (auto const& [character, entity] : entities)
      if (part.data[0] == character) out.append(entity, part.at(0)), known = true;
    if (!known) out.append(part);
  }
  return with.make(out);
}

value encode_url(interpreter& with, value self, arguments const&) {
  constexpr std::string_view unreserved =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~/";
  auto& out = with.build();
  auto const of = with.as_text(self);
  for (std::size_t at = 0; at < of.size; ++at) {
    auto const byte = static_cast<unsigned char>(of.data[at]);
    std::array<char, 3> const encoded{'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15U]};
    if (unreserved.find(of.data[at]) != std::string_view::npos)
      out.append(of.sub(at, 1));
    else
      out.append({encoded.data(), encoded.size()}, of.at(at));
  }
  return with.make(out);
}

value safe(interpreter& with, value self, arguments const&) { return with.make(with.as_text(self)); }

value to_json(interpreter& with, value self, arguments const& given) {
  json_style style;
  if (auto const* indent_by = given.find(0, "indent"); indent_by != nullptr && !indent_by->is(kind::none))
    style.indent = std::min<std::int64_t>(given.integer(0, "indent", 0), 64);
  style.item_separator = own_text(style.indent ? "," : ", ");
  style.key_separator = own_text(": ");
  style.ascii = given.flag(SIZE_MAX, "ensure_ascii");
  style.sorted = given.flag(SIZE_MAX, "sort_keys");
  if (auto const separators = given.get(SIZE_MAX, "separators"); separators.is(kind::list)) {
    auto const& pair = separators.items->values;
    if (pair.size() != 2) with.refuse("a chat template gives separators that are no pair");
    style.item_separator = with.as_text(pair[0]);
    style.key_separator = with.as_text(pair[1]);
  }
  auto& out = with.build();
  append_json(self, style, out);
  return with.make(out);
}

/// The number that a text spells, or undefined; white space and underscores as Python allows.
value parse_number(interpreter& with, text of, bool real) {
  auto const digits = strip(of, nullptr, side::both);
  auto view = digits.view();
  if (view.starts_with('+')) view.remove_prefix(1);
  if (view.empty() || view.starts_with('+')) return {};
  auto const* const end = view.data() + view.size();
  std::int64_t whole = 0;
  double fraction = 0;
  if (!real)
    if (auto const read = std::from_chars(view.data(), end, whole); read.ec == std::errc() && read.ptr == end)
      return value(whole, of.overall());
  if (auto const read = std::from_chars(view.data(), end, fraction);
      read.ec != std::errc() || read.ptr != end)
    return {};
  static_cast<void>(with);
  return value(fraction, of.overall());
}

value to_integer(interpreter& with, value self, arguments const& given) {
  auto const otherwise = given.get(0, "default", value(std::int64_t{0}));
  if (self.is(kind::text)) self = parse_number(with, *self.characters, false);
  if (!self.is_number()) return otherwise;
  if (!self.is(kind::real)) return value(as_integer(self), self.source);
  if (!(std::abs(self.real) < 9e18)) return otherwise;
  return value(static_cast<std::int64_t>(self.real), self.source);
}

value to_real(interpreter& with, value self, arguments const& given) {
  if (self.is(kind::text)) self = parse_number(with, *self.characters, true);
  if (!self.is_number()) return given.get(0, "default", value(0.0));
  return value(as_real(self), self.source);
}

value absolute(interpreter& with, value self, arguments const&) {
  if (self.is(kind::real)) return value(std::abs(self.real), self.source);
  if (!self.is_number() || as_integer(self) == INT64_MIN)
    with.refuse("a chat template wants the size of what is no number");
  return value(std::abs(as_integer(self)), self.source);
}

value round_number(interpreter& with, value self, arguments const& given) {
  if (!self.is_number()) with.refuse("a chat template rounds what is no number");
  auto const* method = text_argument(with, given, 1, "method");
  auto const scale = std::pow(10.0, static_cast<double>(given.integer(0, "precision", 0)));
  auto const scaled = as_real(self) * scale;
  if (method != nullptr && method->view() == "ceil") return value(std::ceil(scaled) / scale, self.source);
  if (method != nullptr && method->view() == "floor") return value(std::floor(scaled) / scale, self.source);
  return value(std::nearbyint(scaled) / scale, self.source);
}

value word_count(interpreter& with, value self, arguments const&) {
  return value(static_cast<std::int64_t>(split(with, with.as_text(self), nullptr, -1).values.size()));
}

value format(interpreter& with, value self, arguments const& given) {
  auto& values = with.make_list(true);
  values.values = given.positional;
  return format_percent(with, with.as_text(self), value(&values));
}

value center(interpreter& with, value self, arguments const& given) {
  auto const of = with.as_text(self);
  auto const width = std::min<std::int64_t>(given.integer(0, "width", 80), 10'000);
  auto const missing = std::max<std::int64_t>(0, width - static_cast<std::int64_t>(*length(with.make(of))));
  auto const before = missing / 2 + (missing & width & 1); // as CPython puts an odd one
  auto& out = with.build();
  for (std::int64_t at = 0; at < before; ++at) out.append_own(" ");
  out.append(of);
  for (std::int64_t at = before; at < missing; ++at) out.append_own(" ");
  return with.make(out);
}

constexpr std::pair<std::string_view, native_function> filters[] = {{"upper", upper},
                                                                    {"lower", lower},
                                                                    {"capitalize", capitalize},
                                                                    {"title", title},
                                                                    {"trim", trim},
                                                                    {"string", to_string},
                                                                    {"replace", replace_filter},
                                                                    {"default", fall_back},
                                                                    {"d", fall_back},
                                                                    {"indent", indent},
                                                                    {"e", escape},
                                                                    {"escape", escape},
                                                                    {"safe", safe},
                                                                    {"urlencode", encode_url},
                                                                    {"tojson", to_json},
                                                                    {"int", to_integer},
                                                                    {"float", to_real},
                                                                    {"abs", absolute},
                                                                    {"round", round_number},
                                                                    {"wordcount", word_count},
                                                                    {"format", format},
                                                                    {"center", center}};

} // namespace

native_function find_text_filter(std::string_view name) noexcept { return find_named(filters, name); }

} // namespace mayfly::gpu::jinja
