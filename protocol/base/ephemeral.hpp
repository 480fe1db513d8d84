#pragma once
// Types that hold content. Content cannot be copied by accident (move only; `clone` says so), cannot be
// printed or formatted, and is wiped on release. `reveal` is the only way to its bytes and is made to be
// grepped for: what it returns must not outlive the call that needs it.
#include "protocol/base/locked_memory.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <ostream>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mayfly {

/// A growable array of `T` in locked memory. Growing wipes the old place. Not thread-safe.
template <class T>
  requires std::is_trivially_copyable_v<T>
class ephemeral_buffer {
public:
  ephemeral_buffer() noexcept = default;
  explicit ephemeral_buffer(std::span<T const> elements) { append(elements); }
  ephemeral_buffer(ephemeral_buffer&& other) noexcept { swap(other); }
  ephemeral_buffer& operator=(ephemeral_buffer&& other) noexcept {
    ephemeral_buffer(std::move(other)).swap(*this);
    return *this;
  }
  ephemeral_buffer(ephemeral_buffer const&) = delete;
  ephemeral_buffer& operator=(ephemeral_buffer const&) = delete;
  ~ephemeral_buffer() { release(); }

  /// A buffer of `count` zero elements.
  static ephemeral_buffer zeros(std::size_t count) {
    ephemeral_buffer buffer;
    buffer.resize(count);
    return buffer;
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t size_bytes() const noexcept { return size_ * sizeof(T); }
  bool empty() const noexcept { return size_ == 0; }

  std::span<T const> reveal() const noexcept { return {data_, size_}; }
  std::span<T> reveal() noexcept { return {data_, size_}; }

  void append(std::span<T const> elements) {
    if (elements.empty()) return;
    reserve(size_ + elements.size());
    std::memcpy(static_cast<void*>(data_ + size_), elements.data(), elements.size_bytes());
    size_ += elements.size();
  }
  void push_back(T element) { append({&element, 1}); }

  /// Grows with zeros, or shrinks and wipes what is cut off.
  void resize(std::size_t count) {
    reserve(count);
    if (count < size_) wipe(data_ + count, (size_ - count) * sizeof(T));
    if (count > size_) std::memset(static_cast<void*>(data_ + size_), 0, (count - size_) * sizeof(T));
    size_ = count;
  }

  /// Removes `count` elements at the front and wipes the place they leave.
  void drop_front(std::size_t count) {
    count = std::min(count, size_);
    if (count == 0) return;
    std::memmove(static_cast<void*>(data_), data_ + count, (size_ - count) * sizeof(T));
    resize(size_ - count);
  }

  void reserve(std::size_t count) {
    if (count <= capacity_) return;
    auto const wanted = std::max({count, capacity_ * 2, std::size_t{64} / sizeof(T) + 1});
    auto* grown = static_cast<T*>(locked_memory().allocate(wanted * sizeof(T), alignof(T)));
    if (size_ != 0) std::memcpy(static_cast<void*>(grown), data_, size_ * sizeof(T));
    auto const kept = size_;
    release();
    data_ = grown;
    size_ = kept;
    capacity_ = wanted;
  }

  /// Wipes and gives the memory back.
  void clear() noexcept { release(); }

  /// A second copy, under the same lease as this one: its owner must wipe it too.
  ephemeral_buffer clone() const { return ephemeral_buffer(reveal()); }

  void swap(ephemeral_buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

private:
  void release() noexcept {
    if (data_ != nullptr) locked_memory().deallocate(data_, capacity_ * sizeof(T), alignof(T));
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

template <class T>
std::ostream& operator<<(std::ostream&, ephemeral_buffer<T> const&) = delete;

using ephemeral_bytes = ephemeral_buffer<std::byte>;

/// Text of a prompt or an output, UTF-8 unless its owner says otherwise.
class ephemeral_text {
public:
  ephemeral_text() noexcept = default;
  explicit ephemeral_text(std::string_view text) : characters_(std::span(text.data(), text.size())) {}

  std::size_t size() const noexcept { return characters_.size(); }
  std::size_t size_bytes() const noexcept { return characters_.size(); }
  bool empty() const noexcept { return characters_.empty(); }
  std::string_view reveal() const noexcept {
    auto const span = characters_.reveal();
    return {span.data(), span.size()};
  }
  void append(std::string_view text) { characters_.append(std::span(text.data(), text.size())); }
  void push_back(char character) { characters_.push_back(character); }
  void resize(std::size_t count) { characters_.resize(count); }
  void reserve(std::size_t count) { characters_.reserve(count); }
  void drop_front(std::size_t count) { characters_.drop_front(count); }
  void clear() noexcept { characters_.clear(); }
  ephemeral_text clone() const { return ephemeral_text(reveal()); }
  ephemeral_buffer<char>& characters() noexcept { return characters_; }

private:
  ephemeral_buffer<char> characters_;
};

std::ostream& operator<<(std::ostream&, ephemeral_text const&) = delete;

/// Token ids are content: a vocabulary turns them back into text.
using token_id = std::int32_t;
using ephemeral_tokens = ephemeral_buffer<token_id>;

/// For library containers that must hold content: every block comes from, and returns to, locked memory.
/// Beware of small-string optimisation: std::basic_string keeps short text outside its allocator; use
/// `ephemeral_text` or a vector of char.
template <class T>
struct ephemeral_allocator {
  using value_type = T;
  ephemeral_allocator() noexcept = default;
  template <class U>
  ephemeral_allocator(ephemeral_allocator<U> const&) noexcept {}
  T* allocate(std::size_t count) {
    return static_cast<T*>(locked_memory().allocate(count * sizeof(T), alignof(T)));
  }
  void deallocate(T* block, std::size_t count) noexcept {
    locked_memory().deallocate(block, count * sizeof(T), alignof(T));
  }
  friend bool operator==(ephemeral_allocator const&, ephemeral_allocator const&) noexcept { return true; }
};

namespace detail {
template <class T>
struct is_ephemeral : std::false_type {};
template <class T>
struct is_ephemeral<ephemeral_buffer<T>> : std::true_type {};
template <>
struct is_ephemeral<ephemeral_text> : std::true_type {};
} // namespace detail

/// True for the types of this header that hold content.
template <class T>
inline constexpr bool is_ephemeral_v = detail::is_ephemeral<std::remove_cvref_t<T>>::value;

} // namespace mayfly
