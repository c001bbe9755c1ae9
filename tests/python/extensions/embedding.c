/* SPDX-License-Identifier: MIT */
/* embedding.c - a program with Python in it that does not import site: embedding HOME CODE */
#include <Python.h>

int main(int argc, char **argv)
{
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    config.site_import = 0;
    if (argc != 3 || PyStatus_Exception(PyConfig_SetBytesString(&config, &config.home, argv[1])) ||
        PyStatus_Exception(Py_InitializeFromConfig(&config)))
        return 3;
    PyConfig_Clear(&config);
    const int status = PyRun_SimpleString(argv[2]) ? 1 : 0;
    return Py_FinalizeEx() < 0 ? 4 : status;
}
