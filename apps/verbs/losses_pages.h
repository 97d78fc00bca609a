// The catalogue of `voxgrad losses --html`: a page for each loss of the registry, and one that shows all of them.
#pragma once

#include <string>

namespace voxgrad::apps {

// Writes DIRECTORY/index.html and DIRECTORY/<loss>.html. An earlier catalogue is replaced. Throws Error(usage) if one
// of these files is there and the folder has no catalogue.
void write_loss_pages(const std::string& directory);

}  // namespace voxgrad::apps
