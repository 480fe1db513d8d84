// Exactly the text that transformers' apply_chat_template writes (tests/golden/README.md).
#include "gpu/text/chat_template.hpp"
#include "gpu/text/jinja/interpreter.hpp"
#include "gpu/text/jinja/parser.hpp"
#include "json_values.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <sstream>

namespace mayfly::gpu {
namespace {

std::string const folder = MAYFLY_SOURCE_DIR "/tests/golden/templates/";
std::size_t const arena_bytes = std::size_t{256} << 20;
std::int64_t const golden_time = 1767323045; // 2026-01-02 03:04:05 UTC

std::string read_file(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

chat_role role_of(std::string_view name) {
  for (auto const role : {chat_role::system, chat_role::developer, chat_role::assistant, chat_role::tool})
    if (name_of(role) == name) return role;
  return chat_role::user;
}

std::vector<chat_message> messages_of(jinja::value conversation) {
  std::vector<chat_message> messages;
  for (auto const& message : conversation.entries->find("messages")->items->values)
    messages.push_back({role_of(jinja::text_member(message, "role")),
                        ephemeral_text(jinja::text_member(message, "content")), std::nullopt});
  return messages;
}

TEST_CASE("Chat templates of real models write what transformers writes") {
  jinja::arena memory(arena_bytes);
  std::map<std::string_view, std::vector<chat_message>> conversations;
  for (auto const& line : jinja::read_json_lines(folder + "conversations.jsonl", memory))
    conversations.emplace(jinja::text_member(line, "conversation"), messages_of(line));
  auto const cases = jinja::read_json_lines(folder + "cases.jsonl", memory);
  REQUIRE(cases.size() > 300);
  for (auto const& each : cases) {
    auto const name = std::string(jinja::text_member(each, "template"));
    INFO(name << ", " << jinja::text_member(each, "conversation"));
    auto const chat = chat_template::make(read_file(folder + name + ".jinja"), {"<s>", "</s>", "", ""});
    REQUIRE(chat);
    template_options options;
    options.add_generation_prompt = each.entries->find("add_generation_prompt")->boolean;
    options.unix_seconds = golden_time;
    options.developer_is_system = false;
    auto const rendered =
        (*chat)->render(conversations.at(jinja::text_member(each, "conversation")), options);
    auto const refused = each.entries->find("error") != nullptr;
    REQUIRE(rendered.has_value() == !refused);
    if (!refused) CHECK(rendered->text.reveal() == jinja::text_member(each, "text"));
  }
}

/// What a source yields with a context; none where it fails.
std::optional<std::string> render(std::string_view source, jinja::value context) {
  try {
    jinja::arena memory(arena_bytes);
    jinja::scope names(memory, nullptr);
    for (auto const& [key, held] : context.entries->entries) names.set(key.characters->view(), held);
    auto const body = jinja::parse(source);
    return std::string(jinja::interpreter(memory, {}, golden_time).render(body, names).view());
  } catch (jinja::failure const&) {
    return {};
  }
}

TEST_CASE("Each feature of the template language does what jinja2 does") {
  jinja::arena memory(arena_bytes);
  auto const lines = jinja::read_json_lines(folder + "snippets.jsonl", memory);
  REQUIRE(lines.size() > 300);
  auto const context = *lines.front().entries->find("context");
  context.entries->set(jinja::make_text(jinja::own_text("bos_token"), memory),
                       jinja::make_text(jinja::own_text("<s>"), memory));
  context.entries->set(jinja::make_text(jinja::own_text("eos_token"), memory),
                       jinja::make_text(jinja::own_text("</s>"), memory));
  for (std::size_t line = 1; line < lines.size(); ++line) {
    auto const source = jinja::text_member(lines[line], "source");
    INFO("line " << line + 1 << ": " << source);
    auto const rendered = render(source, context);
    if (lines[line].entries->find("error") != nullptr) {
      CHECK_FALSE(rendered.has_value());
    } else {
      CHECK(rendered.value_or("an error") == jinja::text_member(lines[line], "text"));
    }
  }
}

} // namespace
} // namespace mayfly::gpu
