#pragma once
// A conversation to the one text that a model was trained to continue: its own Jinja template, run by our own
// interpreter, which knows of every byte whether the template or the conversation wrote it.
#include "gpu/text/template_output.hpp"
#include "protocol/base/result.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace mayfly::gpu {

/// A closed list: templates build special tokens from a role's name ("<|" + role + "|>"), so it must be ours.
enum class chat_role : std::uint8_t { system, developer, user, assistant, tool };

/// The name that templates compare with ("system").
std::string_view name_of(chat_role role) noexcept;

struct chat_message {
  chat_role role = chat_role::user;
  ephemeral_text content; ///< valid UTF-8
  std::optional<ephemeral_text> name;
};

/// How the model's vocabulary spells its special tokens; empty: it has none.
struct special_texts {
  std::string bos, eos, unk, pad;
};

/// What a template may ask for beside messages ("enable_thinking"). The operator's, never a client's text:
/// texts count as the template's own.
using template_variable = std::pair<std::string, std::variant<bool, std::int64_t, std::string>>;

struct template_options {
  bool add_generation_prompt = true;
  bool developer_is_system = true; ///< render "developer" as "system" where the template does not know it
  std::int64_t unix_seconds = 0;   ///< the date that templates ask for, in UTC
  std::vector<template_variable> variables;
  std::size_t most_steps = 4'000'000;
  std::size_t most_output_bytes = std::size_t{64} << 20;
};

/// Immutable and shared by threads.
class chat_template {
public:
  ~chat_template();

  /// Reads a template. Errors: unsupported (none given; tags or limits beyond ours), malformed; `number` is
  /// its line.
  static result<std::shared_ptr<chat_template const>> make(std::string_view source, special_texts specials);

  /// The text equals transformers' `apply_chat_template`. Errors: invalid_request (the template refuses the
  /// conversation, or fails as it would in Python), too_large (beyond the bounds), unsupported,
  /// out_of_memory; `number` is the template's line.
  result<template_output> render(std::span<chat_message const> messages,
                                 template_options const& options) const;

private:
  struct state;
  explicit chat_template(std::unique_ptr<state const> parsed);

  std::unique_ptr<state const> state_;
};

} // namespace mayfly::gpu
