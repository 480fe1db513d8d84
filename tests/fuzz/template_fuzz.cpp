// Any bytes as a chat template, with a conversation behind the first zero byte: it renders or fails, within
// its bounds, and the spans it reports lie inside the text, ascending, with content between them.
#include "gpu/text/chat_template.hpp"

#include <cstdlib>

using namespace mayfly;
using namespace mayfly::gpu;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
  std::string_view const input(reinterpret_cast<char const*>(data), size);
  auto const end = std::min(input.find('\0'), input.size());
  auto const chat = chat_template::make(input.substr(0, end), {"<s>", "</s>", "", ""});
  if (!chat) return 0;
  std::vector<chat_message> messages;
  auto const content = end < input.size() ? input.substr(end + 1) : std::string_view("hello");
  messages.push_back({chat_role::system, ephemeral_text("be kind"), std::nullopt});
  messages.push_back({chat_role::user, ephemeral_text(content), ephemeral_text("Ann")});
  template_options options;
  options.most_steps = 20'000;
  options.most_output_bytes = 1 << 20;
  auto const before = locked_memory_usage().in_use_bytes;
  {
    auto const rendered = (*chat)->render(messages, options);
    if (rendered) {
      std::size_t last = 0;
      for (auto const [begin, stop] : rendered->own.reveal()) {
        check(begin < stop && stop <= rendered->text.size() && (begin > last || begin == 0));
        last = stop;
      }
      check(rendered->text.size() <= options.most_output_bytes);
    }
  }
  check(locked_memory_usage().in_use_bytes == before);
  return 0;
}
