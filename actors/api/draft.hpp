#pragma once
// A request while its fields are read: what each rule fills in, and how rules read values. Private to this
// folder.
#include "actors/api/request.hpp"

#include <boost/json/value.hpp>
#include <optional>
#include <span>

namespace mayfly::actors::api {

/// Nothing, or why not.
using verdict = std::optional<refusal>;

struct prompt_draft {
  ephemeral_text text;
  ephemeral_tokens tokens; ///< used if `is_tokens`
  bool is_tokens = false;
};

struct draft {
  model_catalogue const* catalogue = nullptr;
  request_limits const* limits = nullptr;
  response_shape shape;
  name model; ///< the catalogue's id
  messages::sampling parameters;
  std::vector<messages::chat_message> messages;
  std::vector<prompt_draft> prompts;
  std::vector<ephemeral_text> stop;
  ephemeral_buffer<messages::bias_entry> bias;
  bool echo = false;
  bool saw_max_completion_tokens = false;
  bool saw_stream_options = false;
  bool saw_top_logprobs = false;
};

/// One field of a body: its name, and what reads it. A null is as good as the field's absence, as with
/// OpenAI: rules never see one.
struct field_rule {
  std::string_view name;
  verdict (*read)(draft&, boost::json::value const&);
};

/// The fields of both endpoints, of chat alone, of completions alone.
std::span<field_rule const> shared_fields() noexcept;
std::span<field_rule const> chat_fields() noexcept;
std::span<field_rule const> completion_fields() noexcept;

/// A place in the body ("messages[3].content[0].type"); parts are field names of the API and numbers.
class field_path {
public:
  explicit field_path(std::string_view field) { text_.append(field); }
  field_path at(std::size_t index) const;
  field_path member(std::string_view field) const;
  std::string_view view() const noexcept { return text_.reveal(); }

private:
  field_path() = default;
  ephemeral_text text_;
};

// Readers. Each gives the value, or the refusal that names the field and says what it must be.

template <class T>
using reading = std::variant<T, refusal>;

/// A finite number within [low, high]; `must` says so in words.
reading<double> read_number(std::string_view field, boost::json::value const& value, double low, double high,
                            literal must);
/// A whole number (1 and 1.0 alike) within [low, high].
reading<std::int64_t> read_integer(std::string_view field, boost::json::value const& value, std::int64_t low,
                                   std::int64_t high, literal must);
reading<bool> read_boolean(std::string_view field, boost::json::value const& value);
/// Characters of a string; they live as long as the document.
reading<std::string_view> read_string(std::string_view field, boost::json::value const& value);

/// Puts what a reader gave into `target`; the refusal otherwise.
template <class T, class Target>
verdict put(reading<T> read, Target& target) {
  if (auto* why = std::get_if<refusal>(&read)) return std::move(*why);
  target = static_cast<Target>(std::get<T>(read));
  return std::nullopt;
}

std::string_view view_of(boost::json::string const& text) noexcept;
/// The string's characters if `value` is a string, else an empty view.
std::string_view text_or_empty(boost::json::value const& value) noexcept;

refusal wrong_type(std::string_view field, literal must);
refusal wrong_value(std::string_view field, literal must);
/// "'n' is at most 16.": what the field holds or is, the bound, and of what.
refusal beyond(std::string_view field, literal is, std::uint64_t most, literal unit = "");
/// It means something, but nothing that this server can do.
refusal unsupported(std::string_view field, literal why);

} // namespace mayfly::actors::api
