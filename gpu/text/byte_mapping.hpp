#pragma once
// GPT-2's byte mapping (Radford et al. 2019, encoder.py): every byte is written as one printable character,
// so that vocabularies are text files. Printable Latin-1 stands for itself, the rest for U+0100 upwards.
#include <optional>
#include <string>
#include <string_view>

namespace mayfly::gpu {

/// The character that stands for `byte`: U+0021 to U+0143.
char32_t mapped_character(unsigned char byte) noexcept;

/// `mapped`, UTF-8, back in bytes; none if a character stands for no byte.
std::optional<std::string> unmap_bytes(std::string_view mapped);

} // namespace mayfly::gpu
