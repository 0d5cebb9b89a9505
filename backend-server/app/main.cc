#include "backend-server/app/commands.h"

int main(int argc, char** argv) { return skymoor::server::run_command_line(argc, argv); }
