// A training that begins with the weights of a model (transfer learning, fine-tuning).
//
// The network is that of the model, as far as no setting says otherwise. A tensor is taken if the new network has one
// of its name and shape. The heads, which make the classes of the last maps, are taken class by class: a class that has
// a name of the model keeps its weights. All else is drawn anew, as without a model. So other channels of the image
// cost the first convolution, other classes cost only the new ones.
//
// Images are prepared and normalised as the weights know it, as long as the data ask for the same kind of normalisation
// and have as many channels. If not, say for a model of CT and images of MR, the data decide.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "apps/training/plan.h"

namespace voxgrad::apps {

struct Transfer {
  std::string file;
  std::vector<NamedTensor> state;                   // of the whole network, for Module::load_state
  std::int64_t taken = 0;                           // tensors
  std::vector<std::string> drawn;                   // names of the tensors that are drawn anew
  std::vector<std::string> classes, drawn_classes;  // names of the classes whose weights are taken, or drawn anew
  bool normalisation = false;                       // whether it is that of the model
  std::string voxels = {};                          // how their size differs from that of the model, if it does
};

// Sets the settings that describe a network to those of a model, but not those of which given(name) is true.
void adopt_settings(TrainConfig& config, const nn::UNetConfig& net,
                    const std::function<bool(const std::string&)>& given);

// The weights with which the network of a plan begins. Throws Error(usage) if no weight of the encoder fits.
Transfer transfer_weights(const nn::Model& source, const Plan& plan);

// {file, tensors, drawn: [names], classes: [names], drawn_classes: [names], normalisation}
Json to_json(const Transfer& transfer);
// Says the same in a few lines.
std::string transfer_text(const Transfer& transfer);

}  // namespace voxgrad::apps
