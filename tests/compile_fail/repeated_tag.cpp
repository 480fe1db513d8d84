// Tags ascend, so that none is used twice.
// expect: field tags must ascend|not a constant expression
#include "protocol/messages/fields.hpp"

using namespace mayfly::messages;

#ifdef MUST_FAIL
constexpr std::uint8_t second_tag = 1;
#else
constexpr std::uint8_t second_tag = 2;
#endif

struct pair {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  static constexpr auto fields =
      field_list(field{1, "first", &pair::first}, field{second_tag, "second", &pair::second});
};

static_assert(message<pair>);
