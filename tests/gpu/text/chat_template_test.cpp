// Bounds, refusals and options of chat templates. (What they write is checked against golden files.)
#include "gpu/text/chat_template.hpp"
#include "tiny_model.hpp"

#include <catch2/catch.hpp>

namespace mayfly::gpu {
namespace {

std::vector<chat_message> one_message(std::string_view content, chat_role role = chat_role::user) {
  std::vector<chat_message> messages;
  messages.push_back({role, ephemeral_text(content), std::nullopt});
  return messages;
}

result<template_output> render(std::string_view source, std::string_view content = "hi",
                               template_options const& options = {}) {
  auto const chat = chat_template::make(source, {"<s>", "</s>", "", ""});
  if (!chat) return chat.failure();
  return (*chat)->render(one_message(content), options);
}

std::string text_of(std::string_view source, template_options const& options = {}) {
  auto const rendered = render(source, "hi", options);
  return rendered ? std::string(rendered->text.reveal()) : "error";
}

errc code_of(std::string_view source) {
  auto const rendered = render(source);
  return rendered ? errc::ok : rendered.failure().code;
}

TEST_CASE("A template that loops without end is stopped") {
  CHECK(code_of("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}") ==
        errc::too_large);
  CHECK(code_of("{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}") ==
        errc::too_large);
}

TEST_CASE("A macro that calls itself without end is stopped") {
  CHECK(code_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}") == errc::too_large);
  CHECK(code_of("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}") == errc::too_large);
}

TEST_CASE("A template that writes without end is stopped") {
  template_options options;
  options.most_output_bytes = 1000;
  CHECK(render("{{ 'a' * 1000 }}", "", options).has_value());
  CHECK(render("{{ 'a' * 1001 }}", "", options).failure().code == errc::too_large);
}

TEST_CASE("A template that doubles a text without end is stopped") {
  auto const code = code_of("{% set n = namespace(t='aaaaaaaaaaaaaaaa') %}{% for a in range(64) %}{% set n.t "
                            "= n.t ~ n.t %}{% endfor %}");
  CHECK(code == errc::too_large);
}

TEST_CASE("A text repeated without end is stopped") {
  CHECK(code_of("{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * 999999 * 999999 }}") == errc::too_large);
}

TEST_CASE("A template nested too deeply is refused, not followed") {
  auto const deep = [](std::string_view open, std::string_view close) {
    std::string source;
    for (int level = 0; level < 20'000; ++level) source += open;
    source += "1";
    for (int level = 0; level < 20'000; ++level) source += close;
    return code_of("{{ " + source + " }}");
  };
  CHECK(deep("(", ")") == errc::too_large);
  CHECK(deep("[", "]") == errc::too_large);
  CHECK(deep("not ", "") == errc::too_large);
  CHECK(deep("-", "") == errc::too_large);
  CHECK(deep("1 if 1 else ", "") == errc::too_large);
}

TEST_CASE("A chain of very many operators is refused") {
  for (auto const* link :
       {" + 1", " ~ 1", " * 1", " ** 1", " or 1", " and 1", ".a", "[1]", "()", " | list", " if 1"}) {
    std::string source = "{{ 1";
    for (int term = 0; term < 50'000; ++term) source += link;
    CHECK(code_of(source + " }}") == errc::too_large);
  }
}

TEST_CASE("A chain of a hundred operators is computed") {
  std::string source = "{{ 1";
  for (int term = 0; term < 100; ++term) source += " + 1";
  CHECK(text_of(source + " }}") == "101");
}

TEST_CASE("Blocks nested too deeply are refused") {
  std::string source;
  for (int level = 0; level < 5'000; ++level) source += "{% if true %}";
  CHECK(code_of(source) == errc::too_large);
}

TEST_CASE("What is no template is malformed") {
  for (auto const* source : {"{{", "{{ }}", "{{ 1 + }}", "{% if %}{% endif %}", "{% if true %}",
                             "{% endif %}", "{# x", "{{ 'a }}", "{% for x %}{% endfor %}", "{{ a b }}",
                             "{{ (1 }}", "{{ 1) }}", "{% set %}", "{% break %}", "{{ @ }}"})
    CHECK(code_of(source) == errc::malformed);
}

TEST_CASE("Tags, filters and tests that we do not know are unsupported") {
  CHECK(code_of("{% include 'x' %}") == errc::unsupported);
  CHECK(code_of("{{ 1 | no_such_filter }}") == errc::unsupported);
  CHECK(code_of("{{ 1 is no_such_test }}") == errc::unsupported);
}

TEST_CASE("A template may refuse a conversation, and its line is told") {
  auto const rendered = render("a\n{{ raise_exception('no: ' + messages[0].content) }}");
  REQUIRE_FALSE(rendered);
  CHECK(rendered.failure().code == errc::invalid_request);
  CHECK(rendered.failure().number == 2);
}

TEST_CASE("A model without a template is told apart") {
  CHECK(chat_template::make("", {}).failure().code == errc::unsupported);
}

TEST_CASE("The operator's variables reach the template") {
  template_options options;
  options.variables = {
      {"enable_thinking", false}, {"budget", std::int64_t{7}}, {"effort", std::string("low")}};
  CHECK(text_of("{{ enable_thinking }} {{ budget }} {{ effort }}", options) == "False 7 low");
}

TEST_CASE("Special tokens that a vocabulary lacks are undefined") {
  CHECK(text_of("{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}") == "<s></s>False");
}

TEST_CASE("The date is the caller's, in UTC") {
  template_options options;
  options.unix_seconds = 951'782'400;
  CHECK(text_of("{{ strftime_now('%d %b %Y') }}", options) == "29 Feb 2000");
}

TEST_CASE("The developer's role is the system's where a template does not know it") {
  auto const role = [](std::string_view source) {
    auto const rendered =
        chat_template::make(source, {}).value()->render(one_message("", chat_role::developer), {});
    return std::string(rendered.value().text.reveal());
  };
  CHECK(role("{{ messages[0].role }}") == "system");
  CHECK(role("{{ messages[0].role }}{# developer #}") == "developer");
}

TEST_CASE("A message's name reaches the template where there is one") {
  std::vector<chat_message> messages;
  messages.push_back({chat_role::user, ephemeral_text("a"), ephemeral_text("Ann")});
  messages.push_back({chat_role::user, ephemeral_text("b"), std::nullopt});
  auto const chat = chat_template::make("{% for m in messages %}{{ m.name | default('?') }}{% endfor %}", {});
  CHECK((*chat)->render(messages, {}).value().text.reveal() == "Ann?");
}

TEST_CASE("Long messages are rendered") {
  auto const long_text = std::string(3'000'000, 'x');
  auto const rendered = render("{% for m in messages %}<{{ m.content | trim }}>{% endfor %}", long_text);
  REQUIRE(rendered);
  CHECK(rendered->text.size() == long_text.size() + 2);
}

TEST_CASE("Rendering leaves no content memory in use, refused or not") {
  auto const before = locked_memory_usage().in_use_bytes;
  CHECK(render("{% for m in messages %}{{ m.content | upper | replace('H', 'J') }}{% endfor %}").has_value());
  CHECK_FALSE(render("{{ messages[0].content.no.such }}").has_value());
  CHECK(locked_memory_usage().in_use_bytes == before);
}

} // namespace
} // namespace mayfly::gpu
