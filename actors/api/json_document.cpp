#include "actors/api/json_document.hpp"

#include <boost/json/parser.hpp>
#include <memory>
#include <new>

namespace mayfly::actors::api {
namespace {

// A value takes 24 bytes in the tree and as much on the parser's stack, which doubles and leaves its smaller
// selves in the arena; the shortest element of an array takes two characters; chunks double too.
constexpr std::size_t memory_per_character = 192;
constexpr std::size_t memory_at_least = 256 * 1024;
constexpr std::size_t memory_at_most = std::size_t{256} << 20;

std::size_t memory_limit(std::size_t text_bytes) {
  if (text_bytes > memory_at_most / memory_per_character) return memory_at_most;
  return text_bytes * memory_per_character + memory_at_least;
}

} // namespace

void* wiping_arena::do_allocate(std::size_t bytes, std::size_t alignment) {
  void* place = free_.data();
  auto space = free_.size();
  if (free_.empty() || std::align(alignment, bytes, place, space) == nullptr) {
    add_chunk(bytes + alignment);
    place = free_.data();
    space = free_.size();
    std::align(alignment, bytes, place, space);
  }
  free_ = std::span(static_cast<std::byte*>(place) + bytes, space - bytes);
  return place;
}

void wiping_arena::add_chunk(std::size_t bytes) {
  auto const size = std::max(bytes, next_bytes_);
  if (size > left_) throw std::bad_alloc();
  ephemeral_bytes chunk;
  chunk.resize(size);
  left_ -= size;
  next_bytes_ = size * 2;
  chunks_.push_back(std::move(chunk));
  free_ = chunks_.back().reveal();
}

json_document::json_document(std::size_t text_bytes)
    : arena_(std::max<std::size_t>(text_bytes * 2, 4096), memory_limit(text_bytes)) {}

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
    // The parser's own stack holds unescaped strings: it lies in the arena as the tree does.
    boost::json::parser parser(boost::json::storage_ptr(&arena_), strict);
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
