#pragma once
// GGUF versions 2 and 3 (ggml/docs/gguf.md), little-endian: a header, typed key-value pairs, tensor infos,
// padding to `general.alignment`, tensor data. The file is mapped read-only and may be larger than memory.
// Whatever a file claims is checked against its size before use; a file that changes while it is mapped is
// beyond our protection.
#include "gpu/formats/model_file.hpp"
#include "gpu/formats/tensor.hpp"
#include "protocol/base/result.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mayfly::gpu {

class gguf_file {
public:
  /// Maps and checks a file. Errors: io (errno), else as `parse`.
  static result<std::shared_ptr<gguf_file const>> open(model_file const& where);

  /// Checks a file in memory that outlives the result. Errors, `number` a byte offset: truncated, malformed
  /// (magic, types, duplicate keys or tensors, shapes, alignment), unsupported (version, tensor type, nested
  /// arrays), too_large (more than the bounds in gguf.cpp).
  static result<std::shared_ptr<gguf_file const>> parse(std::span<std::byte const> bytes);

  gguf_file(gguf_file const&) = delete;
  gguf_file& operator=(gguf_file const&) = delete;
  ~gguf_file();

  /// Values by key; nothing where the key is absent or holds another type. Views live as long as the file.
  std::optional<std::string_view> text(std::string_view key) const;
  std::optional<std::uint64_t> integer(std::string_view key) const; ///< any integer type, not negative
  std::optional<double> number(std::string_view key) const;         ///< any float or integer type
  std::optional<bool> flag(std::string_view key) const;
  std::vector<std::string_view> texts(std::string_view key) const;
  std::vector<std::int64_t>
  integers(std::string_view key) const;                   ///< arrays of integers; 2^63 and above wraps
  std::vector<float> numbers(std::string_view key) const; ///< arrays of floats or integers

  /// Shapes are as in tensor.hpp: GGUF's ne[0] is `columns`, the product of the others `rows`.
  std::optional<tensor_view> tensor(std::string_view name) const;
  /// Takes a tensor's pages out of this process's memory, where the file is mapped: who has repacked it needs
  /// them no more. They are read again if need be.
  void release(tensor_view const& tensor) const noexcept;
  /// In the order of the file.
  std::vector<std::string_view> const& tensor_names() const noexcept { return names_; }
  std::size_t size_bytes() const noexcept { return bytes_.size(); }

private:
  friend class gguf_parser;
  struct entry {
    std::uint32_t type = 0; ///< of the value, or of an array's elements
    bool is_array = false;
    std::uint64_t count = 1;         ///< elements
    std::span<std::byte const> data; ///< strings: each a u64 length and its bytes
  };

  gguf_file() = default;
  entry const* find(std::string_view key, bool array) const;

  std::span<std::byte const> bytes_;
  bool mapped_ = false;
  std::unordered_map<std::string_view, entry> values_;
  std::unordered_map<std::string_view, tensor_view> tensors_;
  std::vector<std::string_view> names_;
};

} // namespace mayfly::gpu
