#include "actors/api/json_document.hpp"

#include <boost/json/parser.hpp>
#include <new>

namespace mayfly::actors::api {
namespace {

// A value takes 24 bytes in the tree and as much on the parser's stack, which doubles; the shortest element
// of an array takes two characters.
constexpr std::size_t memory_per_character = 96;
constexpr std::size_t memory_at_least = 256 * 1024;
constexpr std::size_t memory_at_most = std::size_t{256} << 20;

std::size_t memory_limit(std::size_t text_bytes) {
  if (text_bytes > memory_at_most / memory_per_character) return memory_at_most;
  return text_bytes * memory_per_character + memory_at_least;
}

} // namespace

void* wiping_resource::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (bytes > left_) throw std::bad_alloc();
  auto* const block = locked_memory().allocate(bytes, alignment);
  left_ -= bytes;
  return block;
}

void wiping_resource::do_deallocate(void* block, std::size_t bytes, std::size_t alignment) {
  locked_memory().deallocate(block, bytes, alignment);
  left_ += bytes;
}

json_document::json_document(std::size_t text_bytes)
    : memory_(memory_limit(text_bytes)), arena_(text_bytes < 4096 ? 4096 : text_bytes, &memory_) {}

result<std::unique_ptr<json_document>> json_document::parse(std::string_view text, std::size_t depth) {
  std::unique_ptr<json_document> made(new json_document(text.size()));
  auto done = made->read(text, depth);
  if (!done) return done.failure();
  return made;
}

result<void> json_document::read(std::string_view text, std::size_t depth) {
  boost::json::parse_options strict;
  strict.max_depth = depth;
  try {
    // The parser's own stack holds unescaped strings too: it wipes as the tree does.
    boost::json::parser parser(boost::json::storage_ptr(&memory_), strict);
    parser.reset(boost::json::storage_ptr(&arena_));
    boost::json::error_code problem;
    auto const read = parser.write(text.data(), text.size(), problem);
    if (problem == boost::json::error::too_deep) return error{errc::too_large, "JSON is nested too deep", 0};
    if (problem)
      return error{errc::malformed, "not JSON, or something after it", static_cast<std::int64_t>(read)};
    root_ = std::make_unique<boost::json::value>(parser.release());
  } catch (std::bad_alloc const&) {
    return error{errc::too_large, "JSON needs too much memory", 0};
  } catch (std::exception const&) {
    return error{errc::malformed, "not JSON", 0};
  }
  return {};
}

} // namespace mayfly::actors::api
