#pragma once
// Reads and checks a GGUF file once; what it accepts, gguf_file may use without further checks.
#include "gpu/formats/gguf.hpp"

namespace mayfly::gpu {

class gguf_parser {
public:
  gguf_parser(std::span<std::byte const> bytes, gguf_file& file) : bytes_(bytes), file_(file) {}
  result<void> run();

private:
  result<void> header();
  result<void> pair();
  result<void> value_of(gguf_file::entry& value);
  result<void> skip_texts(std::uint64_t count);
  result<void> tensor_info();
  result<void> shape_of(tensor_view& tensor);
  result<void> read_alignment();
  result<void> place_tensors();

  template <class T>
  result<T> read();
  result<std::string_view> read_text(std::uint64_t longest);
  std::size_t left() const noexcept { return bytes_.size() - at_; }
  error fail(errc code, literal what) const { return {code, what, static_cast<std::int64_t>(at_)}; }

  struct placement {
    std::string_view name;
    tensor_view tensor;
    std::uint64_t offset = 0; ///< behind the start of the data
    std::uint64_t bytes = 0;
  };

  std::span<std::byte const> bytes_;
  gguf_file& file_;
  std::size_t at_ = 0;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t pair_count_ = 0;
  std::uint64_t alignment_ = 32;
  std::vector<placement> placements_;
};

} // namespace mayfly::gpu
