#pragma once
#include <string_view>

namespace mayfly::actors::api {

/// openapi.json as it was when this was built: what GET /openapi.json answers.
std::string_view openapi_document() noexcept;

} // namespace mayfly::actors::api
