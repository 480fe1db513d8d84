#include "gpu/check/conversations.hpp"

#include "gpu/check/device_material.hpp"
#include "gpu/formats/gguf.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

namespace mayfly::gpu::check {

std::unique_ptr<paged_engine> load_engine(std::filesystem::path const& model, std::unique_ptr<backend> device,
                                          engine_size const& size) {
  auto const failed = [](error const& failure) {
    return std::runtime_error("the model: " + std::string(failure.what.view()) + " " +
                              std::to_string(failure.number));
  };
  auto file = gguf_file::open(model);
  if (!file) throw failed(file.failure());
  auto network = load_model(*file, *device, {size.step_tokens, size.sequences});
  if (!network) throw failed(network.failure());
  auto const& p = (*network)->parameters();
  auto shape = kv_shape_of(p, size.blocks, 16);
  shape.precision = device->kv_precision_for(p.float_weights);
  auto kv = device->create_kv_memory(shape);
  if (!kv) throw failed(kv.failure());
  engine_parts parts{std::move(device), std::move(*network), std::move(*kv), shape, {}};
  auto const context = std::min(size.context_tokens, p.context_tokens);
  return std::make_unique<paged_engine>(
      std::move(parts), engine_limits{context, {size.sequences, size.step_tokens}, size.sequences});
}

sequence_request request_number(std::uint32_t number, std::uint32_t prompt_tokens,
                                std::uint32_t generated_tokens, std::uint32_t vocabulary) {
  sequence_request request;
  for (std::uint32_t i = 0; i < prompt_tokens; ++i)
    request.prompt.push_back(static_cast<token_id>((i * 7919U + number * 104729U + 11U) % vocabulary));
  request.sampling.temperature = 0;
  request.max_tokens = generated_tokens;
  request.ignore_stop_tokens = true;
  return request;
}

std::vector<generated> generate(engine& subject, std::vector<sequence_request> requests) {
  std::map<sequence_handle, std::size_t> places;
  std::vector<generated> all(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto handle = subject.submit(std::move(requests[i]));
    if (!handle) throw std::runtime_error("a request was refused");
    places[*handle] = i;
  }
  while (subject.has_work()) {
    for (auto const& event : subject.step()) {
      if (event.finish == finish_reason::failed)
        throw std::runtime_error("a sequence failed: " + std::string(event.failure.what.view()) + " " +
                                 std::to_string(event.failure.number));
      if (!event.has_token) continue;
      auto& mine = all[places.at(event.sequence)];
      mine.tokens.push_back(event.token.token);
      mine.logprobs.push_back(event.token.logprob);
      auto const top = event.top.reveal();
      if (top.size() >= 2) mine.margins.push_back(top[0].logprob - top[1].logprob);
    }
  }
  return all;
}

} // namespace mayfly::gpu::check
