#include "apps/run_program.h"

int main(int argc, char** argv) { return voxgrad::apps::run_program(argc, argv); }
