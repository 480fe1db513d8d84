#pragma once
// What a client is told when a request cannot be done: OpenAI's error object. A refusal may name the client's
// own words (an unknown field), so it is content: it goes into the answer and nowhere else; logs get `code`.
#include "protocol/base/ephemeral.hpp"
#include "protocol/base/error.hpp"

#include <cstdint>
#include <string_view>

namespace mayfly::actors::api {

struct refusal {
  errc code = errc::invalid_request; ///< the only part that is logged; gives status and type
  literal reason{""};                ///< OpenAI's `code`; empty: null
  ephemeral_text message;
  ephemeral_text param;            ///< the field; empty: null
  std::uint32_t retry_seconds = 0; ///< Retry-After; 0: none
};

/// The HTTP status of a code of error.hpp ("cancelled" has none of its own: 499, never sent).
std::uint16_t status_of(errc code) noexcept;

/// OpenAI's `type` for a code.
literal type_of(errc code) noexcept;

/// A refusal without a field: message and reason are the code's own.
refusal refuse(errc code);
refusal refuse(errc code, literal reason, literal message);
/// The same about a field.
refusal refuse_field(literal reason, std::string_view param, literal message);

/// What a failure of the cluster looks like to the client. `failure.number` is the context limit with
/// context_length_exceeded, the body's with body_too_large, seconds to wait with overloaded.
refusal refuse(error const& failure);

/// Appends {"error":{"message","type","param","code"}}.
void write_refusal(ephemeral_text& out, refusal const& why);

} // namespace mayfly::actors::api
