#pragma once
// Writes GGUF files byte by byte, whole and broken.
#include "gpu/formats/gguf.hpp"

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace mayfly::gpu::testing {

class file_bytes {
public:
  template <class T>
  file_bytes& number(T value) {
    auto const at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
    return *this;
  }
  file_bytes& text(std::string_view value) {
    number<std::uint64_t>(value.size());
    for (char const each : value) bytes_.push_back(static_cast<std::byte>(each));
    return *this;
  }
  file_bytes& header(std::uint64_t tensors, std::uint64_t pairs, std::uint32_t version = 3) {
    return number<std::uint32_t>(0x46554747).number(version).number(tensors).number(pairs);
  }
  file_bytes& key(std::string_view name, std::uint32_t type) { return text(name).number(type); }
  file_bytes& tensor(std::string_view name, std::vector<std::uint64_t> const& shape, std::uint32_t type,
                     std::uint64_t offset) {
    text(name).number<std::uint32_t>(static_cast<std::uint32_t>(shape.size()));
    for (auto const length : shape) number(length);
    return number(type).number(offset);
  }
  file_bytes& align(std::size_t alignment) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(std::byte{0});
    return *this;
  }
  file_bytes& data(std::size_t count, std::byte value) {
    bytes_.insert(bytes_.end(), count, value);
    return *this;
  }
  std::vector<std::byte> const& bytes() const { return bytes_; }
  result<std::shared_ptr<gguf_file const>> parse() const { return gguf_file::parse(bytes_); }

private:
  std::vector<std::byte> bytes_;
};

/// A file with a value of every kind and two tensors.
inline file_bytes whole_file() {
  file_bytes file;
  file.header(2, 8);
  file.key("general.architecture", 8).text("llama");
  file.key("count", 4).number<std::uint32_t>(42);
  file.key("negative", 5).number<std::int32_t>(-7);
  file.key("real", 6).number(1.5F);
  file.key("yes", 7).number<std::uint8_t>(1);
  file.key("words", 9).number<std::uint32_t>(8).number<std::uint64_t>(3).text("a").text("").text("bcd");
  file.key("ids", 9)
      .number<std::uint32_t>(5)
      .number<std::uint64_t>(2)
      .number<std::int32_t>(-1)
      .number<std::int32_t>(9);
  file.key("scores", 9).number<std::uint32_t>(6).number<std::uint64_t>(2).number(0.5F).number(-2.0F);
  file.tensor("matrix", {32, 2}, 8, 0);
  file.tensor("vector", {3}, 0, 96);
  file.align(32).data(68, std::byte{1}).align(32).data(12, std::byte{2});
  return file;
}

} // namespace mayfly::gpu::testing
