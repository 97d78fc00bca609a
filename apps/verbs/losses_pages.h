// The catalogue of `voxgrad losses --html`: a page for each loss of the registry, and one that shows all of them.
#pragma once

#include <string>

namespace voxgrad::apps {

// Writes DIRECTORY/index.html and DIRECTORY/<loss>.html. Pages of these names that are there already are replaced.
void write_loss_pages(const std::string& directory);

}  // namespace voxgrad::apps
