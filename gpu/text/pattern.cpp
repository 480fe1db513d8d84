#define PCRE2_CODE_UNIT_WIDTH 8
#include "gpu/text/pattern.hpp"

#include "protocol/base/locked_memory.hpp"

#include <cstring>
#include <new>
#include <pcre2.h>
#include <string>

namespace mayfly::gpu {
namespace {

// PCRE2's own \s has U+180E besides, which lost White_Space with Unicode 6.3.
constexpr std::string_view white_space =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

/// `expression` with \s and \S written out.
std::string spell_out_white_space(std::string_view expression) {
  std::string spelled;
  auto in_class = false;
  for (std::size_t at = 0; at < expression.size(); ++at) {
    auto const character = expression[at];
    if (character != '\\' || at + 1 == expression.size()) {
      if (character == '[') in_class = true;
      if (character == ']') in_class = false;
      spelled += character;
      continue;
    }
    auto const escaped = expression[++at];
    if (escaped == 's')
      spelled += in_class ? std::string(white_space) : "[" + std::string(white_space) + "]";
    else if (escaped == 'S' && !in_class)
      spelled += "[^" + std::string(white_space) + "]";
    else
      (spelled += '\\') += escaped;
  }
  return spelled;
}

// PCRE2 frees without saying how much: the size stands in front of each block.
constexpr std::size_t header_bytes = alignof(std::max_align_t);

void* allocate(PCRE2_SIZE size, void*) noexcept {
  try {
    auto* block = static_cast<std::byte*>(locked_memory().allocate(size + header_bytes, header_bytes));
    std::memcpy(block, &size, sizeof size);
    return block + header_bytes;
  } catch (std::bad_alloc const&) {
    return nullptr;
  }
}

void release(void* memory, void*) noexcept {
  if (memory == nullptr) return;
  auto* block = static_cast<std::byte*>(memory) - header_bytes;
  PCRE2_SIZE size = 0;
  std::memcpy(&size, block, sizeof size);
  locked_memory().deallocate(block, size + header_bytes, header_bytes);
}

} // namespace

result<pattern> pattern::compile(std::string_view expression) {
  auto const spelled = spell_out_white_space(expression);
  int code = 0;
  PCRE2_SIZE offset = 0;
  auto* compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(),
                                 PCRE2_UTF | PCRE2_UCP, &code, &offset, nullptr);
  if (compiled == nullptr) return error{errc::configuration, "a pre-tokeniser's expression is refused", code};
  pattern made;
  made.code_ =
      std::shared_ptr<void>(compiled, [](void* owned) { pcre2_code_free(static_cast<pcre2_code*>(owned)); });
  return made;
}

struct pattern_matcher::state {
  pcre2_general_context* memory = pcre2_general_context_create(allocate, release, nullptr);
  pcre2_match_data* match = memory == nullptr ? nullptr : pcre2_match_data_create(8, memory);
  state() = default;
  state(state const&) = delete;
  state& operator=(state const&) = delete;
  ~state() {
    pcre2_match_data_free(match);
    pcre2_general_context_free(memory);
  }
};

pattern_matcher::pattern_matcher() : state_(std::make_unique<state>()) {
  if (state_->match == nullptr) throw std::bad_alloc();
}
pattern_matcher::~pattern_matcher() = default;

std::optional<std::pair<std::size_t, std::size_t>>
pattern_matcher::find(pattern const& expression, std::string_view text, std::size_t from) {
  auto const found = pcre2_match(static_cast<pcre2_code const*>(expression.code_.get()),
                                 reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                 PCRE2_NO_UTF_CHECK, state_->match, nullptr);
  if (found < 0) return {};
  auto const* bounds = pcre2_get_ovector_pointer(state_->match);
  return std::pair{bounds[0], bounds[1]};
}

} // namespace mayfly::gpu
