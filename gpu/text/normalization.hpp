#pragma once
#include "protocol/base/ephemeral.hpp"

#include <string_view>

namespace mayfly::gpu {

/// True if `text` is known to be in NFC without looking at any table: no character from U+0300 upwards.
bool is_plainly_nfc(std::string_view text) noexcept;

/// `text`, valid UTF-8, in Unicode's normalisation form C (UAX #15).
ephemeral_text to_nfc(std::string_view text);

} // namespace mayfly::gpu
