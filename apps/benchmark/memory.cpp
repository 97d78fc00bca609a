// Measures how the memory of the tensors moves in one training step.
#include <memory>
#include <set>
#include <vector>

#include "apps/benchmark/benchmark.h"
#include "engine/autograd.h"
#include "engine/backend.h"
#include "losses/core/loss.h"
#include "nn/optimizer.h"

namespace voxgrad::apps {
namespace {

// The rows of the result. A row is written when what it is about has ended.
class MemoryRows {
 public:
  explicit MemoryRows(Pool& pool) : pool_(pool) { pool_.reset_peak(); }

  void write(const std::string& part, const std::string& operation, const std::string& shape) {
    constexpr double kMib = 1 << 20;
    const MemoryStatistics now = pool_.statistics();
    rows_.push_back({{"part", part},
                     {"operation", operation},
                     {"shape", shape},
                     {"in_use_mib", static_cast<double>(now.in_use) / kMib},
                     {"peak_mib", static_cast<double>(now.peak) / kMib}});
    pool_.reset_peak();
  }

  // Writes a row for each operation of the graph, when backward() has done with it.
  void watch(const std::shared_ptr<Node>& output) {
    std::vector<std::shared_ptr<Node>> open{output};
    std::set<const Node*> seen;
    while (!open.empty()) {
      const std::shared_ptr<Node> node = std::move(open.back());
      open.pop_back();
      if (node->leaf() || !seen.insert(node.get()).second) continue;
      for (const Edge& edge : node->edges) open.push_back(edge.input);
      Gradient& first = node->edges.front().gradient;
      first = [this, name = node->operation, shape = text(node->shape), own = std::move(first)](const Tensor& dy) {
        end_operation();
        operation_ = name;
        shape_ = shape;
        return own(dy);
      };
    }
  }

  void end_operation() {
    if (!operation_.empty()) write("backward", operation_, shape_);
    operation_.clear();
  }

  Json rows() const { return rows_; }

 private:
  Pool& pool_;
  Json rows_ = Json::array();
  std::string operation_, shape_;  // whose backward pass runs
};

}  // namespace

Json bench_memory(const NetworkOptions& options) {
  const BenchNetwork network = make_network(options);
  nn::UNet& net = *network.net;
  const losses::Loss loss = losses::make_loss(options.loss);
  const auto optimizer = nn::make_optimizer(options.optimizer, net);
  MemoryRows rows(backend_of(options.device).pool());
  rows.write("before", "", "");
  {
    Tensor logits = net(network.x);
    rows.write("forward", "network", text(logits.shape()));
    const Tensor value = loss(logits, network.labels);
    logits = Tensor();
    rows.write("forward", "loss", text(value.shape()));
    rows.watch(value.node());
    value.backward();
    rows.end_operation();
  }
  optimizer->step(1e-4);
  net.zero_grad();
  rows.write("step", options.optimizer, "");
  return rows.rows();
}

}  // namespace voxgrad::apps
