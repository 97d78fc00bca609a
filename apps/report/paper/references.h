// The papers behind the losses and the statistics, for BibTeX. The registry of the losses names each by its authors,
// place and year; a test checks that every one of them is known here.
#pragma once

#include <string>
#include <vector>

namespace voxgrad::apps {

struct Reference {
  const char* cited;   // how the sources of the registry begin: "Milletari et al., 3DV 2016"
  const char* key;     // of BibTeX
  const char* type;    // article, inproceedings, misc, ..
  const char* fields;  // each "name = {value}", separated by commas and line ends
};
const std::vector<Reference>& references();

// Returns the references of the losses that a text names, each once, in the order in which the registry names them. A
// source that is not known is left out, as that of a loss from outside the registry.
std::vector<const Reference*> references_of(const std::string& loss);
// Returns the reference with this key.
const Reference& reference(const std::string& key);
// Returns the sources of a loss in the registry, without equations and sections.
std::vector<std::string> sources_of(const std::string& source);

std::string bibtex(const Reference& reference);

}  // namespace voxgrad::apps
