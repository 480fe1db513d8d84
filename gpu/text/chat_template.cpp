#include "gpu/text/chat_template.hpp"

#include "gpu/text/jinja/interpreter.hpp"
#include "gpu/text/jinja/parser.hpp"

#include <new>

namespace mayfly::gpu {
namespace {

using jinja::arena;
using jinja::kind;
using jinja::make_text;
using jinja::own_text;
using jinja::value;

/// Room that a rendering needs at least, and what each byte of the conversation adds: intermediate copies,
/// each with its origins, in blocks that grow by half.
constexpr std::size_t base_memory_bytes = std::size_t{32} << 20;
constexpr std::size_t memory_per_byte = 64;

std::size_t content_bytes(std::span<chat_message const> messages) noexcept {
  std::size_t bytes = 0;
  for (auto const& message : messages)
    bytes += message.content.size() + (message.name ? message.name->size() : 0);
  return bytes;
}

value make_message(chat_message const& message, std::string_view role, arena& memory) {
  auto* made = memory.make<jinja::mapping>(memory);
  auto const key = [&](std::string_view name) { return make_text(own_text(name), memory); };
  made->set(key("role"), make_text(own_text(role), memory));
  made->set(key("content"), make_text(jinja::content_text(message.content.reveal()), memory));
  if (message.name) made->set(key("name"), make_text(jinja::content_text(message.name->reveal()), memory));
  return value(made);
}

struct variable_maker {
  arena& memory;
  value operator()(bool flag) const { return value(flag); }
  value operator()(std::int64_t number) const { return value(number); }
  value operator()(std::string const& text) const { return make_text(own_text(text), memory); }
};

template_output collect(jinja::text rendered) {
  template_output out;
  out.text.append(rendered.view());
  for (std::size_t at = 0; at < rendered.size;) {
    auto const from = rendered.at(at);
    auto end = at + 1;
    if (rendered.origins == nullptr) end = rendered.size;
    while (end < rendered.size && rendered.origins[end] == from) ++end;
    if (from == jinja::origin::own) out.own.push_back({at, end});
    at = end;
  }
  return out;
}

} // namespace

std::string_view name_of(chat_role role) noexcept {
  switch (role) {
  case chat_role::system:
    return "system";
  case chat_role::developer:
    return "developer";
  case chat_role::user:
    return "user";
  case chat_role::assistant:
    return "assistant";
  case chat_role::tool:
    return "tool";
  }
  return "user";
}

struct chat_template::state {
  jinja::statements body;
  special_texts specials;
  bool knows_developer = false;

  void define(jinja::scope& names, std::span<chat_message const> messages, template_options const& options,
              arena& memory) const;
};

void chat_template::state::define(jinja::scope& names, std::span<chat_message const> messages,
                                  template_options const& options, arena& memory) const {
  auto* all = memory.make<jinja::list>(memory);
  for (auto const& message : messages) {
    auto const known =
        knows_developer || !options.developer_is_system || message.role != chat_role::developer;
    all->values.push_back(make_message(message, name_of(known ? message.role : chat_role::system), memory));
  }
  names.set("messages", value(all));
  names.set("tools", value::none()); // transformers defines both, always
  names.set("documents", value::none());
  names.set("add_generation_prompt", value(options.add_generation_prompt));
  std::pair<std::string_view, std::string const&> const tokens[] = {{"bos_token", specials.bos},
                                                                    {"eos_token", specials.eos},
                                                                    {"unk_token", specials.unk},
                                                                    {"pad_token", specials.pad}};
  for (auto const& [name, spelled] : tokens)
    if (!spelled.empty()) names.set(name, make_text(own_text(spelled), memory));
  for (auto const& [name, given] : options.variables)
    names.set(name, std::visit(variable_maker{memory}, given));
}

chat_template::chat_template(std::unique_ptr<state const> parsed) : state_(std::move(parsed)) {}
chat_template::~chat_template() = default;

result<std::shared_ptr<chat_template const>> chat_template::make(std::string_view source,
                                                                 special_texts specials) {
  if (source.empty()) return error{errc::unsupported, "the model has no chat template"};
  try {
    auto parsed = std::make_unique<state>();
    parsed->body = jinja::parse(source);
    parsed->specials = std::move(specials);
    parsed->knows_developer = source.find("developer") != std::string_view::npos;
    return std::shared_ptr<chat_template const>(new chat_template(std::move(parsed)));
  } catch (jinja::failure const& refused) {
    return refused.cause;
  }
}

result<template_output> chat_template::render(std::span<chat_message const> messages,
                                              template_options const& options) const {
  try {
    jinja::limits bounds;
    bounds.steps = options.most_steps;
    bounds.output_bytes = options.most_output_bytes;
    arena memory(base_memory_bytes + content_bytes(messages) * memory_per_byte);
    jinja::scope names(memory, nullptr);
    state_->define(names, messages, options, memory);
    jinja::interpreter runs(memory, bounds, options.unix_seconds);
    return collect(runs.render(state_->body, names));
  } catch (jinja::failure const& refused) {
    return refused.cause;
  } catch (std::bad_alloc const&) {
    return error{errc::out_of_memory, "a chat template"};
  }
}

} // namespace mayfly::gpu
