// A model file from anywhere: whatever it claims, reading every value and every tensor's first and last row
// stays within its bytes.
#include "gpu/formats/dequantise.hpp"
#include "gpu/formats/gguf.hpp"

#include <cstdlib>

using namespace mayfly::gpu;

namespace {

void read_row(tensor_view const& tensor, std::uint64_t row) {
  if (tensor.columns > 4096) return;
  std::vector<float> out(tensor.columns);
  if (!dequantise_row(tensor, row, out)) std::abort(); // what the parser accepts, the reference reads
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const file = gguf_file::parse(std::as_bytes(std::span(data, size)));
  if (!file) return 0;
  for (auto const* const key : {"general.alignment", "general.architecture", "words", "ids", "k"}) {
    static_cast<void>((*file)->text(key));
    static_cast<void>((*file)->integer(key));
    static_cast<void>((*file)->number(key));
    static_cast<void>((*file)->flag(key));
    static_cast<void>((*file)->texts(key));
    static_cast<void>((*file)->integers(key));
    static_cast<void>((*file)->numbers(key));
  }
  for (auto const name : (*file)->tensor_names()) {
    auto const tensor = (*file)->tensor(name);
    if (!tensor) std::abort();
    read_row(*tensor, 0);
    read_row(*tensor, tensor->rows - 1);
  }
  return 0;
}
