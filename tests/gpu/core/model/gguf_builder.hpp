#pragma once
// Writes GGUF version 3 files into memory, as small as a test needs them.
#include "gpu/formats/gguf.hpp"

#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace mayfly::gpu::testing {

class gguf_builder {
public:
  gguf_builder& text(std::string_view key, std::string_view value) {
    put_string(values_, key);
    put(values_, std::uint32_t{8});
    put_string(values_, value);
    ++value_count_;
    return *this;
  }
  gguf_builder& integer(std::string_view key, std::uint32_t value) { return scalar(key, 4, value); }
  gguf_builder& number(std::string_view key, float value) { return scalar(key, 6, value); }
  gguf_builder& flag(std::string_view key, bool value) {
    return scalar(key, 7, static_cast<std::uint8_t>(value));
  }
  gguf_builder& integers(std::string_view key, std::vector<std::uint32_t> const& values) {
    put_string(values_, key);
    put(values_, std::uint32_t{9});
    put(values_, std::uint32_t{4});
    put(values_, std::uint64_t{values.size()});
    for (auto const each : values) put(values_, each);
    ++value_count_;
    return *this;
  }

  /// An F32 tensor [rows][columns]; rows = 0 makes a vector.
  gguf_builder& tensor(std::string_view name, std::uint64_t rows, std::uint64_t columns,
                       std::vector<float> const& floats) {
    return tensor(name, rows, columns, tensor_type::f32, std::as_bytes(std::span(floats)));
  }

  /// A tensor of any type: its rows, one after the other, as the file stores them.
  gguf_builder& tensor(std::string_view name, std::uint64_t rows, std::uint64_t columns, tensor_type type,
                       std::span<std::byte const> stored) {
    put_string(infos_, name);
    put(infos_, std::uint32_t{rows == 0 ? 1U : 2U});
    put(infos_, columns);
    if (rows != 0) put(infos_, rows);
    put(infos_, static_cast<std::uint32_t>(type));
    put(infos_, std::uint64_t{data_.size()});
    append(data_, stored.data(), stored.size());
    pad(data_);
    ++tensor_count_;
    return *this;
  }

  /// The file's bytes; they must outlive what `open` returns.
  std::vector<std::byte> bytes() const {
    std::vector<std::byte> file;
    put(file, std::uint32_t{0x46554747});
    put(file, std::uint32_t{3});
    put(file, tensor_count_);
    put(file, value_count_);
    file.insert(file.end(), values_.begin(), values_.end());
    file.insert(file.end(), infos_.begin(), infos_.end());
    pad(file);
    file.insert(file.end(), data_.begin(), data_.end());
    return file;
  }

private:
  template <class T>
  gguf_builder& scalar(std::string_view key, std::uint32_t type, T value) {
    put_string(values_, key);
    put(values_, type);
    put(values_, value);
    ++value_count_;
    return *this;
  }
  template <class T>
  static void put(std::vector<std::byte>& to, T value) {
    append(to, &value, sizeof value);
  }
  static void put_string(std::vector<std::byte>& to, std::string_view text) {
    put(to, std::uint64_t{text.size()});
    append(to, text.data(), text.size());
  }
  static void append(std::vector<std::byte>& to, void const* from, std::size_t size) {
    auto const before = to.size();
    to.resize(before + size);
    std::memcpy(to.data() + before, from, size);
  }
  static void pad(std::vector<std::byte>& to) { to.resize((to.size() + 31) / 32 * 32); }

  std::vector<std::byte> values_;
  std::vector<std::byte> infos_;
  std::vector<std::byte> data_;
  std::uint64_t value_count_ = 0;
  std::uint64_t tensor_count_ = 0;
};

} // namespace mayfly::gpu::testing
