#pragma once
// A client's JSON as a tree whose every byte lies in locked memory and is wiped with it. Boost.JSON stays
// inside this folder.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/result.hpp"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <string_view>

namespace mayfly::actors::api {

/// Locked memory for Boost.JSON, with a bound: deeply repetitive text would else cost many times its size.
class wiping_resource final : public boost::json::memory_resource {
public:
  explicit wiping_resource(std::size_t limit_bytes) noexcept : left_(limit_bytes) {}

private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(boost::json::memory_resource const& other) const noexcept override {
    return this == &other;
  }

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

  wiping_resource memory_;
  boost::json::monotonic_resource arena_;
  std::unique_ptr<boost::json::value> root_; ///< the node itself is small and holds no characters
};

} // namespace mayfly::actors::api
