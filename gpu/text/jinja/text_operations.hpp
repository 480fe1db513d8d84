#pragma once
// What Python's str can do, on text that keeps its origins. Shared by filters and methods.
#include "gpu/text/jinja/interpreter.hpp"

namespace mayfly::gpu::jinja {

enum class side : std::uint8_t { left, right, both };

/// str.strip and its kin. Null `characters`: white space.
text strip(text of, text const* characters, side where);
text replace(interpreter& with, text of, text from, text to, std::int64_t most);
/// str.split; null `separator`: runs of white space. `most` < 0: no bound.
list& split(interpreter& with, text of, text const* separator, std::int64_t most);
list& split_from_right(interpreter& with, text of, text const* separator, std::int64_t most);
list& split_lines(interpreter& with, text of, bool keep_ends);

enum class letter_case : std::uint8_t { lower, upper, capital, words };
/// str.lower, upper, capitalize and title, with full Unicode case mapping.
text change_case(interpreter& with, text of, letter_case to);
/// jinja2's filter `title`, whose words begin behind white space, "-", "(", "{", "[" and "<".
text title_words(interpreter& with, text of);

/// str.isspace's characters.
bool is_python_space(char32_t code) noexcept;

/// Texts with `between` between them.
text join_texts(interpreter& with, list const& parts, text between);

/// The text argument at `index` or called `name`; fails if it is something else, null if not given or none.
text const* text_argument(interpreter& with, arguments const& given, std::size_t index,
                          std::string_view name);

} // namespace mayfly::gpu::jinja
