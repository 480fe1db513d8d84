#pragma once
// A client's JSON as a tree whose every byte lies in locked memory and is wiped with it. Boost.JSON stays
// inside this folder.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

#include <boost/json/memory_resource.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <string_view>
#include <vector>

namespace mayfly::actors::api {

/// Locked memory for Boost.JSON: blocks are cut from chunks that grow, and given back, wiped, all at once.
/// Boost's own monotonic_resource gives its upstream back a smaller size than it took (1.81), so that the end
/// of each chunk would stay as it is. Bounded: repetitive text would else cost many times its size.
class wiping_arena final : public boost::json::memory_resource {
public:
  wiping_arena(std::size_t first_bytes, std::size_t limit_bytes) noexcept
      : next_bytes_(first_bytes), left_(limit_bytes) {}

private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(boost::json::memory_resource const& other) const noexcept override {
    return this == &other;
  }
  void add_chunk(std::size_t bytes);

  std::vector<ephemeral_bytes> chunks_;
  std::span<std::byte> free_; ///< of the last chunk
  std::size_t next_bytes_;
  std::size_t left_;
};

class json_document {
public:
  /// Strict: UTF-8, nothing after the value, nesting up to `depth`; of equal keys the last one counts.
  /// Errors: malformed (`number` is the offset), too_large (depth or memory).
  static result<std::unique_ptr<json_document>> parse(std::string_view text, std::size_t depth);

  boost::json::value const& root() const noexcept { return *root_; }

private:
  explicit json_document(std::size_t text_bytes);
  result<void> read(std::string_view text, std::size_t depth);

  wiping_arena arena_;
  std::unique_ptr<boost::json::value> root_; ///< the node itself is small and holds no characters
};

} // namespace mayfly::actors::api
