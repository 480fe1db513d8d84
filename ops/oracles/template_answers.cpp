#include "gpu/text/chat_template.hpp"
#include "ops/oracles/answers.hpp"
#include "ops/oracles/frames.hpp"

#include <algorithm>

namespace mayfly::oracle {
namespace {

constexpr gpu::chat_role roles[] = {gpu::chat_role::system, gpu::chat_role::developer, gpu::chat_role::user,
                                    gpu::chat_role::assistant, gpu::chat_role::tool};

/// The frames of one question, in the order in which they come.
struct question {
  frame source;
  gpu::special_texts specials;
  gpu::template_options options;
  std::vector<gpu::chat_message> messages;
};

result<gpu::chat_message> read_message() {
  auto const role = read_frame();
  auto const content = read_frame();
  if (!role || !content) return error{errc::truncated, "a message ends early", 0};
  auto const* found = std::ranges::find_if(roles, [&](auto known) { return gpu::name_of(known) == *role; });
  if (found == std::end(roles)) return error{errc::unsupported, "no such role", 0};
  return gpu::chat_message{*found, ephemeral_text(*content), std::nullopt};
}

/// What follows the template's source.
result<question> read_question(frame source) {
  frame rest[5]; // bos, eos, "1" for a generation prompt, unix seconds, number of messages
  for (auto& part : rest) {
    auto content = read_frame();
    if (!content) return error{errc::truncated, "a question ends early", 0};
    part = std::move(*content);
  }
  question asked;
  asked.source = std::move(source);
  asked.specials.bos = rest[0];
  asked.specials.eos = rest[1];
  asked.options.add_generation_prompt = rest[2] == "1";
  asked.options.unix_seconds = std::stoll(rest[3]);
  for (auto left = std::stoul(rest[4]); left != 0; --left) {
    auto message = read_message();
    if (!message) return message.failure();
    asked.messages.push_back(std::move(*message));
  }
  return asked;
}

result<gpu::template_output> render(question const& asked) {
  auto const parsed = gpu::chat_template::make(asked.source, asked.specials);
  if (!parsed) return parsed.failure();
  return parsed.value()->render(asked.messages, asked.options);
}

void write_text(std::string_view text) { write_frame(std::span<char const>(text)); }

} // namespace

result<void> answer_render() {
  while (auto source = read_frame()) {
    auto const asked = read_question(std::move(*source));
    if (!asked) return asked.failure();
    auto const rendered = render(*asked);
    write_text(rendered ? "text" : "error");
    write_text(rendered ? rendered->text.reveal() : rendered.failure().what.view());
  }
  return {};
}

} // namespace mayfly::oracle
