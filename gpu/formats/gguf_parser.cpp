#include "gpu/formats/gguf_parser.hpp"

#include "gpu/formats/block_layout.hpp"
#include "gpu/formats/gguf_values.hpp"

#include <cstring>

namespace mayfly::gpu {
namespace {

constexpr std::uint32_t magic = 0x46554747; // "GGUF"
// Bounds far above real files (thousands of tensors, dozens of keys): they keep a hostile header from
// costing more memory than the file itself.
constexpr std::uint64_t most_tensors = 1U << 20;
constexpr std::uint64_t most_pairs = 1U << 16;
constexpr std::uint64_t longest_name = 65535; // gguf.md: keys are at most 2^16 - 1 bytes
constexpr std::uint64_t most_elements = std::uint64_t{1} << 48;
constexpr std::uint64_t smallest_pair = 8 + 1 + 4 + 1;
constexpr std::uint64_t smallest_tensor_info = 8 + 1 + 4 + 8 + 4 + 8;
constexpr std::uint32_t most_dimensions = 4;

} // namespace

template <class T>
result<T> gguf_parser::read() {
  if (left() < sizeof(T)) return fail(errc::truncated, "GGUF ends inside a number (byte offset)");
  T value{};
  std::memcpy(&value, bytes_.data() + at_, sizeof value);
  at_ += sizeof value;
  return value;
}

result<std::string_view> gguf_parser::read_text(std::uint64_t longest) {
  auto const length = read<std::uint64_t>();
  if (!length) return length.failure();
  if (*length > left()) return fail(errc::truncated, "GGUF string runs past the end (byte offset)");
  if (*length > longest) return fail(errc::too_large, "GGUF name too long (byte offset)");
  std::string_view const text(reinterpret_cast<char const*>(bytes_.data() + at_), *length);
  at_ += *length;
  return text;
}

result<void> gguf_parser::run() {
  if (auto done = header(); !done) return done;
  for (std::uint64_t i = 0; i < pair_count_; ++i) {
    if (auto done = pair(); !done) return done;
  }
  if (auto done = read_alignment(); !done) return done;
  placements_.reserve(tensor_count_);
  for (std::uint64_t i = 0; i < tensor_count_; ++i) {
    if (auto done = tensor_info(); !done) return done;
  }
  return place_tensors();
}

result<void> gguf_parser::header() {
  auto const word = read<std::uint32_t>();
  if (!word) return word.failure();
  if (*word != magic) return error{errc::malformed, "not a GGUF file (byte offset)", 0};
  auto const version = read<std::uint32_t>();
  if (!version) return version.failure();
  if (*version != 2 && *version != 3) {
    return error{errc::unsupported, "GGUF version (the number given)", *version};
  }
  auto const tensors = read<std::uint64_t>();
  if (!tensors) return tensors.failure();
  auto const pairs = read<std::uint64_t>();
  if (!pairs) return pairs.failure();
  if (*tensors > most_tensors || *pairs > most_pairs)
    return fail(errc::too_large, "GGUF counts (byte offset)");
  if (*pairs > left() / smallest_pair || *tensors > left() / smallest_tensor_info) {
    return fail(errc::truncated, "GGUF claims more entries than it has bytes (byte offset)");
  }
  tensor_count_ = *tensors;
  pair_count_ = *pairs;
  return {};
}

result<void> gguf_parser::pair() {
  auto const start = at_;
  auto const key = read_text(longest_name);
  if (!key) return key.failure();
  if (key->empty()) return fail(errc::malformed, "GGUF key is empty (byte offset)");
  auto const type = read<std::uint32_t>();
  if (!type) return type.failure();
  gguf_file::entry value{*type, false, 1, {}};
  if (auto done = value_of(value); !done) return done;
  if (!file_.values_.emplace(*key, value).second) {
    return error{errc::malformed, "GGUF key appears twice (byte offset)", static_cast<std::int64_t>(start)};
  }
  return {};
}

result<void> gguf_parser::value_of(gguf_file::entry& value) {
  if (value.type == gguf::array) {
    auto const element = read<std::uint32_t>();
    if (!element) return element.failure();
    auto const count = read<std::uint64_t>();
    if (!count) return count.failure();
    value = {*element, true, *count, {}};
    if (value.type == gguf::array) return fail(errc::unsupported, "GGUF array of arrays (byte offset)");
  }
  auto const start = at_;
  if (value.type == gguf::text) {
    if (auto done = skip_texts(value.count); !done) return done;
  } else {
    auto const bytes = gguf::fixed_bytes(value.type);
    if (!bytes) return fail(errc::malformed, "GGUF value type (byte offset)");
    if (value.count > left() / *bytes)
      return fail(errc::truncated, "GGUF array runs past the end (byte offset)");
    at_ += value.count * *bytes;
  }
  value.data = bytes_.subspan(start, at_ - start);
  return {};
}

result<void> gguf_parser::skip_texts(std::uint64_t count) {
  if (count > left() / sizeof(std::uint64_t)) {
    return fail(errc::truncated, "GGUF array runs past the end (byte offset)");
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (auto const text = read_text(UINT64_MAX); !text) return text.failure();
  }
  return {};
}

result<void> gguf_parser::read_alignment() {
  if (file_.values_.find("general.alignment") == file_.values_.end()) return {};
  auto const alignment = file_.integer("general.alignment");
  if (!alignment || *alignment < 8 || *alignment > (1U << 20) || (*alignment & (*alignment - 1)) != 0) {
    return fail(errc::malformed, "GGUF alignment is no power of two from 8 to 2^20 (byte offset)");
  }
  alignment_ = *alignment;
  return {};
}

result<void> gguf_parser::tensor_info() {
  placement place;
  auto const name = read_text(longest_name);
  if (!name) return name.failure();
  if (name->empty()) return fail(errc::malformed, "GGUF tensor has no name (byte offset)");
  place.name = *name;
  if (auto done = shape_of(place.tensor); !done) return done;
  auto const type = read<std::uint32_t>();
  if (!type) return type.failure();
  place.tensor.type = static_cast<tensor_type>(*type);
  auto const layout = layout_of(place.tensor.type);
  if (!layout) return fail(errc::unsupported, "GGUF tensor type (byte offset)");
  if (place.tensor.columns % layout->elements != 0) {
    return fail(errc::malformed, "GGUF row is no whole number of blocks (byte offset)");
  }
  place.bytes = place.tensor.rows * row_bytes(*layout, place.tensor.columns); // at most 2^50: see shape_of
  auto const offset = read<std::uint64_t>();
  if (!offset) return offset.failure();
  if (*offset % alignment_ != 0) return fail(errc::malformed, "GGUF tensor is not aligned (byte offset)");
  place.offset = *offset;
  placements_.push_back(place);
  return {};
}

result<void> gguf_parser::shape_of(tensor_view& tensor) {
  auto const dimensions = read<std::uint32_t>();
  if (!dimensions) return dimensions.failure();
  if (*dimensions == 0 || *dimensions > most_dimensions) {
    return fail(errc::malformed, "GGUF tensor has no or too many dimensions (byte offset)");
  }
  tensor.rows = 1;
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < *dimensions; ++i) {
    auto const length = read<std::uint64_t>();
    if (!length) return length.failure();
    if (*length == 0) return fail(errc::malformed, "GGUF tensor has an empty dimension (byte offset)");
    if (*length > most_elements / elements) return fail(errc::too_large, "GGUF tensor (byte offset)");
    elements *= *length;
    if (i == 0)
      tensor.columns = *length;
    else
      tensor.rows *= *length;
  }
  return {};
}

result<void> gguf_parser::place_tensors() {
  // at_ is at most the file's size and alignment_ at most 2^20: no overflow.
  auto const start = (at_ + alignment_ - 1) / alignment_ * alignment_;
  auto const available = start < bytes_.size() ? bytes_.size() - start : 0;
  for (auto& place : placements_) {
    if (place.offset > available || place.bytes > available - place.offset) {
      return fail(errc::truncated, "GGUF ends before its last tensor (byte offset)");
    }
    place.tensor.data = bytes_.subspan(start + place.offset, place.bytes);
    if (!file_.tensors_.emplace(place.name, place.tensor).second) {
      return fail(errc::malformed, "GGUF tensor appears twice (byte offset)");
    }
    file_.names_.push_back(place.name);
  }
  return {};
}

} // namespace mayfly::gpu
