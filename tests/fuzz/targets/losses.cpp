// The text form of losses. That of a loss that was made is read back as itself.
#include "losses/core/loss.h"
#include "losses/core/registry.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;

std::vector<std::string> voxgrad::test::seeds() {
  std::vector<std::string> found{"dice:batch=1+0.5*ce", "0.7*dice:background=0 + 1.3*ce:weights=0.2/1/3,smoothing=0.1",
                                 "1e-05*ce+20*boundary+dice"};
  for (const losses::Spec& spec : losses::registry()) found.push_back(losses::make_loss(spec.name).text());
  return found;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes = test::text_of(data, size);
  read_or_refuse([&] {
    const std::string canonical = losses::make_loss(bytes).text();
    if (losses::make_loss(canonical).text() != canonical) throw std::logic_error("not read back: " + canonical);
  });
  return 0;
}
