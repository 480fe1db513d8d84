// A kind of the catalogue that can hold content, however deep, must be marked ephemeral.
// expect: this message can hold content: mark it ephemeral
#include "protocol/messages/catalogue.hpp"

using namespace mayfly;
using namespace mayfly::messages;

struct inner {
  ephemeral_text words;
  static constexpr auto fields = field_list(field{1, "words", &inner::words});
};
struct outer {
  std::vector<inner> parts;
  static constexpr auto fields = field_list(field{1, "parts", &outer::parts});
};

#ifdef MUST_FAIL
constexpr auto mark = retention_class::metadata;
#else
constexpr auto mark = retention_class::ephemeral;
#endif
static_assert(kind_entry<outer, 900, mark>::number == 900);
