// What a scheduler sees cannot hold content: not even one optional text in a placement request.
// expect: this message can hold content: mark it ephemeral
#include "protocol/messages/catalogue.hpp"

using namespace mayfly;
using namespace mayfly::messages;

struct curious_placement_request {
  request_id request;
  name model;
#ifdef MUST_FAIL
  std::optional<ephemeral_text> hint;
#else
  std::optional<name> hint;
#endif
  static constexpr auto fields = field_list(field{1, "request", &curious_placement_request::request},
                                            field{2, "model", &curious_placement_request::model},
                                            field{3, "hint", &curious_placement_request::hint});
};

static_assert(kind_entry<curious_placement_request, 901, retention_class::metadata>::number == 901);
