#include "gpu/formats/gguf.hpp"

#include "gpu/formats/gguf_parser.hpp"
#include "gpu/formats/gguf_values.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mayfly::gpu {
namespace {

template <class T>
T load(std::byte const* from) noexcept {
  T value{};
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Two's complement keeps 64-bit values of either signedness in an int64.
std::int64_t load_integer(std::uint32_t type, std::byte const* from) noexcept {
  switch (type) {
  case gguf::u8:
    return load<std::uint8_t>(from);
  case gguf::i8:
    return load<std::int8_t>(from);
  case gguf::u16:
    return load<std::uint16_t>(from);
  case gguf::i16:
    return load<std::int16_t>(from);
  case gguf::u32:
    return load<std::uint32_t>(from);
  case gguf::i32:
    return load<std::int32_t>(from);
  default:
    return load<std::int64_t>(from);
  }
}

double load_number(std::uint32_t type, std::byte const* from) noexcept {
  if (type == gguf::f32) return static_cast<double>(load<float>(from));
  if (type == gguf::f64) return load<double>(from);
  if (type == gguf::u64) return static_cast<double>(load<std::uint64_t>(from));
  return static_cast<double>(load_integer(type, from));
}

// A double outside of float's range has no defined conversion.
float to_float(double number) noexcept {
  auto const limit = static_cast<double>(std::numeric_limits<float>::max());
  if (number > limit) return std::numeric_limits<float>::infinity();
  if (number < -limit) return -std::numeric_limits<float>::infinity();
  return static_cast<float>(number);
}

error last_system_error(literal what) { return {errc::io, what, errno}; }

int open_again(model_file const& where) {
  if (where.descriptor >= 0) return ::fcntl(where.descriptor, F_DUPFD_CLOEXEC, 0);
  return ::open(where.path.c_str(), O_RDONLY | O_CLOEXEC);
}

result<std::span<std::byte const>> map_file(model_file const& where) {
  int const file = open_again(where);
  if (file < 0) return last_system_error("cannot open the model file");
  struct stat status{};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0) {
    ::close(file);
    return error{errc::io, "the model file is no regular file, or empty", 0};
  }
  auto const size = static_cast<std::size_t>(status.st_size);
  void* const start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  auto failure = last_system_error("cannot map the model file");
  ::close(file);
  if (start == MAP_FAILED) return failure;
  return std::span(static_cast<std::byte const*>(start), size);
}

} // namespace

result<std::shared_ptr<gguf_file const>> gguf_file::open(model_file const& where) {
  auto const bytes = map_file(where);
  if (!bytes) return bytes.failure();
  std::shared_ptr<gguf_file> file(new gguf_file());
  file->bytes_ = *bytes;
  file->mapped_ = true;
  if (auto done = gguf_parser(*bytes, *file).run(); !done) return done.failure();
  return std::shared_ptr<gguf_file const>(std::move(file));
}

result<std::shared_ptr<gguf_file const>> gguf_file::parse(std::span<std::byte const> bytes) {
  std::shared_ptr<gguf_file> file(new gguf_file());
  file->bytes_ = bytes;
  if (auto done = gguf_parser(bytes, *file).run(); !done) return done.failure();
  return std::shared_ptr<gguf_file const>(std::move(file));
}

gguf_file::~gguf_file() {
  if (mapped_) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

gguf_file::entry const* gguf_file::find(std::string_view key, bool array) const {
  auto const found = values_.find(key);
  return found != values_.end() && found->second.is_array == array ? &found->second : nullptr;
}

std::optional<std::string_view> gguf_file::text(std::string_view key) const {
  auto const* const value = find(key, false);
  if (value == nullptr || value->type != gguf::text) return std::nullopt;
  auto const data = value->data.subspan(sizeof(std::uint64_t));
  return std::string_view(reinterpret_cast<char const*>(data.data()), data.size());
}

std::optional<std::uint64_t> gguf_file::integer(std::string_view key) const {
  auto const* const value = find(key, false);
  if (value == nullptr || !gguf::is_integer(value->type)) return std::nullopt;
  auto const number = load_integer(value->type, value->data.data());
  if (number < 0 && value->type != gguf::u64) return std::nullopt;
  return static_cast<std::uint64_t>(number);
}

std::optional<double> gguf_file::number(std::string_view key) const {
  auto const* const value = find(key, false);
  if (value == nullptr || !(gguf::is_integer(value->type) || gguf::is_float(value->type)))
    return std::nullopt;
  return load_number(value->type, value->data.data());
}

std::optional<bool> gguf_file::flag(std::string_view key) const {
  auto const* const value = find(key, false);
  if (value == nullptr || value->type != gguf::boolean) return std::nullopt;
  return value->data.front() != std::byte{0};
}

std::vector<std::string_view> gguf_file::texts(std::string_view key) const {
  auto const* const value = find(key, true);
  if (value == nullptr || value->type != gguf::text) return {};
  std::vector<std::string_view> all;
  all.reserve(value->count);
  for (auto rest = value->data; !rest.empty();) {
    auto const length = load<std::uint64_t>(rest.data());
    rest = rest.subspan(sizeof length);
    all.emplace_back(reinterpret_cast<char const*>(rest.data()), length);
    rest = rest.subspan(length);
  }
  return all;
}

std::vector<std::int64_t> gguf_file::integers(std::string_view key) const {
  auto const* const value = find(key, true);
  if (value == nullptr || !gguf::is_integer(value->type)) return {};
  std::vector<std::int64_t> all(value->count);
  auto const step = *gguf::fixed_bytes(value->type);
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i] = load_integer(value->type, value->data.data() + i * step);
  return all;
}

std::vector<float> gguf_file::numbers(std::string_view key) const {
  auto const* const value = find(key, true);
  if (value == nullptr || !(gguf::is_integer(value->type) || gguf::is_float(value->type))) return {};
  std::vector<float> all(value->count);
  auto const step = *gguf::fixed_bytes(value->type);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = to_float(load_number(value->type, value->data.data() + i * step));
  }
  return all;
}

std::optional<tensor_view> gguf_file::tensor(std::string_view name) const {
  auto const found = tensors_.find(name);
  if (found == tensors_.end()) return std::nullopt;
  return found->second;
}

void gguf_file::release(tensor_view const& tensor) const noexcept {
  if (!mapped_ || tensor.data.empty()) return;
  auto const page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto const address = reinterpret_cast<std::uintptr_t>(tensor.data.data());
  auto const begin = address / page * page;
  ::madvise(reinterpret_cast<void*>(begin), address - begin + tensor.data.size(), MADV_DONTNEED);
}

} // namespace mayfly::gpu
