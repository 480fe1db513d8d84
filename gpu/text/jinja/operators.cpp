// + - * / // % ** ~ and the formatting that Python hides behind %.
#include "gpu/text/jinja/interpreter.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace mayfly::gpu::jinja {
namespace {

origin joined(value a, value b) noexcept { return join(a.source, b.source); }

[[noreturn]] void overflow(interpreter& with) { with.refuse("a number in a chat template grew too large"); }

std::int64_t power_of(interpreter& with, std::int64_t base, std::int64_t exponent) {
  std::int64_t product = 1;
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  for (std::int64_t done = 0; done < exponent; ++done)
    if (__builtin_mul_overflow(product, base, &product) || done > 64) overflow(with);
  return product;
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) noexcept {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

value compute_integers(interpreter& with, value left, operation operates, value right) {
  auto const a = as_integer(left);
  auto const b = as_integer(right);
  std::int64_t made = 0;
  auto overflowed = false;
  switch (operates) {
  case operation::add:
    overflowed = __builtin_add_overflow(a, b, &made);
    break;
  case operation::subtract:
    overflowed = __builtin_sub_overflow(a, b, &made);
    break;
  case operation::multiply:
    overflowed = __builtin_mul_overflow(a, b, &made);
    break;
  case operation::power:
    made = power_of(with, a, b);
    break;
  case operation::floor_divide:
  case operation::modulo:
    if (b == 0) with.refuse("a chat template divides by zero");
    if (b == -1)
      overflowed = __builtin_sub_overflow(std::int64_t{0}, a, &made); // INT64_MIN / -1 traps
    else
      made = floor_divide(a, b);
    if (operates == operation::modulo) made = b == -1 ? 0 : a - made * b;
    break;
  default:
    break;
  }
  if (overflowed) overflow(with);
  return value(made, joined(left, right));
}

value compute_reals(interpreter& with, value left, operation operates, value right) {
  auto const a = as_real(left);
  auto const b = as_real(right);
  auto const from = joined(left, right);
  auto const divides =
      operates == operation::divide || operates == operation::floor_divide || operates == operation::modulo;
  if (divides && b == 0) with.refuse("a chat template divides by zero");
  switch (operates) {
  case operation::add:
    return value(a + b, from);
  case operation::subtract:
    return value(a - b, from);
  case operation::multiply:
    return value(a * b, from);
  case operation::divide:
    return value(a / b, from);
  case operation::floor_divide:
    return value(std::floor(a / b), from);
  case operation::modulo:
    return value(a - b * std::floor(a / b), from);
  case operation::power:
    return value(std::pow(a, b), from);
  default:
    return {};
  }
}

value concatenate(interpreter& with, text left, text right) {
  with.charge_bytes(left.size + right.size);
  auto& out = with.build();
  out.append(left);
  out.append(right);
  return with.make(out);
}

value add_lists(interpreter& with, list const& left, list const& right) {
  auto& made = with.make_list(left.tuple);
  made.values = left.values;
  made.values.insert(made.values.end(), right.values.begin(), right.values.end());
  with.charge_bytes(made.values.size() * 64);
  return value(&made);
}

value repeat(interpreter& with, value of, std::int64_t times) {
  if (times > 1'000'000) overflow(with);
  if (of.is(kind::text)) {
    auto& out = with.build();
    for (; times > 0; --times) {
      with.charge_bytes(of.characters->size + 64);
      out.append(*of.characters);
    }
    return with.make(out);
  }
  auto& made = with.make_list(of.items->tuple);
  for (; times > 0; --times) {
    with.charge_bytes(of.items->values.size() * 64 + 64);
    made.values.insert(made.values.end(), of.items->values.begin(), of.items->values.end());
  }
  return value(&made);
}

} // namespace

value compute(interpreter& with, value left, operation operates, value right) {
  if (operates == operation::concatenate) return concatenate(with, with.as_text(left), with.as_text(right));
  if (left.is(kind::text) && operates == operation::modulo)
    return format_percent(with, *left.characters, right);
  if (left.is_number() && right.is_number()) {
    auto const real = left.is(kind::real) || right.is(kind::real) || operates == operation::divide ||
                      (operates == operation::power && as_real(right) < 0);
    return real ? compute_reals(with, left, operates, right) : compute_integers(with, left, operates, right);
  }
  if (operates == operation::add) {
    if (left.is(kind::text) && right.is(kind::text))
      return concatenate(with, *left.characters, *right.characters);
    if (left.is(kind::list) && right.is(kind::list)) return add_lists(with, *left.items, *right.items);
  }
  if (operates == operation::multiply) {
    auto const sequence = [](value of) { return of.is(kind::text) || of.is(kind::list); };
    if (sequence(left) && right.is(kind::integer)) return repeat(with, left, right.integer);
    if (sequence(right) && left.is(kind::integer)) return repeat(with, right, left.integer);
  }
  with.refuse("a chat template computes with what are no numbers or texts");
}

namespace {

/// "%05.2f" and the like: flags, width, precision, conversion.
struct conversion {
  bool left = false;
  bool zero = false;
  std::size_t width = 0;
  int precision = -1;
  char letter = 's';
  std::size_t size = 0; ///< bytes of the pattern that it takes
};

std::size_t take_digits(std::string_view from, std::size_t& at) {
  std::size_t number = 0;
  for (; at < from.size() && from[at] >= '0' && from[at] <= '9' && number < 10'000; ++at)
    number = number * 10 + static_cast<std::size_t>(from[at] - '0');
  return number;
}

conversion read_conversion(std::string_view from) {
  conversion read;
  std::size_t at = 1;
  for (; at < from.size() && (from[at] == '-' || from[at] == '0' || from[at] == ' ' || from[at] == '+'); ++at)
    (from[at] == '-' ? read.left : read.zero) = from[at] == '-' || from[at] == '0';
  read.width = take_digits(from, at);
  if (at < from.size() && from[at] == '.') read.precision = static_cast<int>(take_digits(from, ++at));
  if (at < from.size()) read.letter = from[at++];
  read.size = at;
  return read;
}

text convert(interpreter& with, conversion const& how, value given) {
  auto& out = with.build();
  auto const fixed = how.letter == 'f' || how.letter == 'F';
  if (how.letter == 's') return with.as_text(given);
  if (how.letter == 'r')
    append_representation(given, out);
  else if (!given.is_number())
    with.refuse("a chat template formats as a number what is none");
  else if (fixed) {
    std::array<char, 400> digits;
    auto const end =
        std::to_chars(digits.data(), digits.data() + digits.size(), as_real(given), std::chars_format::fixed,
                      how.precision < 0 ? 6 : std::min(how.precision, 60));
    out.append({digits.data(), static_cast<std::size_t>(end.ptr - digits.data())}, given.source);
  } else if (how.letter == 'd' || how.letter == 'i') {
    auto const whole = given.is(kind::real) ? static_cast<std::int64_t>(given.real) : as_integer(given);
    append_representation(value(whole, given.source), out);
  } else
    with.refuse("a chat template formats in a way that we do not know");
  return out.result();
}

} // namespace

value format_percent(interpreter& with, text pattern, value given) {
  auto& out = with.build();
  std::size_t next = 0;
  auto const take = [&]() -> value {
    if (!given.is(kind::list) || !given.items->tuple) return next++ == 0 ? given : value();
    if (next >= given.items->values.size()) with.refuse("a chat template formats too few values");
    return given.items->values[next++];
  };
  while (!pattern.empty()) {
    auto const percent = pattern.view().find('%');
    out.append(pattern.sub(0, percent));
    if (percent == std::string_view::npos) break;
    pattern = pattern.sub(percent);
    auto const how = read_conversion(pattern.view());
    if (how.letter == '%')
      out.append(pattern.sub(0, 1));
    else {
      auto const made = convert(with, how, take());
      auto const padding = how.width > made.size ? how.width - made.size : 0;
      if (how.left) out.append(made);
      for (std::size_t each = 0; each < padding; ++each)
        out.append_own(how.zero && how.letter != 's' ? "0" : " ");
      if (!how.left) out.append(made);
    }
    pattern = pattern.sub(how.size);
  }
  return with.make(out);
}

} // namespace mayfly::gpu::jinja
