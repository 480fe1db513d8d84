#pragma once
// Strings that know, byte by byte, who wrote them.
#include "gpu/text/jinja/memory.hpp"

#include <string_view>
#include <vector>

namespace mayfly::gpu::jinja {

enum class origin : char {
  content, ///< came from a conversation
  own,     ///< stands in the template, or is one of the model's special tokens
};

/// What a computation makes of two origins: content wins.
constexpr origin join(origin a, origin b) noexcept {
  return a == origin::own && b == origin::own ? origin::own : origin::content;
}

/// UTF-8 text in an arena, in the template's syntax tree, or in a message: a view, copied freely.
struct text {
  char const* data = "";
  std::size_t size = 0;
  origin const* origins = nullptr; ///< one a byte; null: all are `uniform`
  origin uniform = origin::own;

  std::string_view view() const noexcept { return {data, size}; }
  bool empty() const noexcept { return size == 0; }
  origin at(std::size_t byte) const noexcept { return origins == nullptr ? uniform : origins[byte]; }
  text sub(std::size_t begin, std::size_t count = std::string_view::npos) const noexcept {
    if (begin > size) begin = size;
    return {data + begin, count < size - begin ? count : size - begin,
            origins == nullptr ? nullptr : origins + begin, uniform};
  }
  /// Content if any byte is.
  origin overall() const noexcept;
};

/// Text of the source.
inline text own_text(std::string_view view) noexcept {
  return {view.data(), view.size(), nullptr, origin::own};
}
inline text content_text(std::string_view view) noexcept {
  return {view.data(), view.size(), nullptr, origin::content};
}

/// Collects text with its origins.
class text_builder {
public:
  explicit text_builder(arena& memory) : bytes_(memory.resource()), origins_(memory.resource()) {}

  void append(text part);
  void append(std::string_view part, origin from) { append(text{part.data(), part.size(), nullptr, from}); }
  void append_own(std::string_view part) { append(part, origin::own); }

  std::size_t size() const noexcept { return bytes_.size(); }
  /// A view of what was collected; this must not grow, and its arena must live, while it is used.
  text result() const noexcept;

private:
  void remember_each();

  std::pmr::vector<char> bytes_;
  std::pmr::vector<origin> origins_; ///< empty while all bytes have the same
  origin uniform_ = origin::own;
};

} // namespace mayfly::gpu::jinja
