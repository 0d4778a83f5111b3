/* An MPI program for tests: `allreduce FILE WORD` prints each process, its host, the sum of all ranks, and what process
   0 has read from the file; `allreduce FILE sleep PIDS` appends the processes' numbers to a file, and sleeps. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value ? value : "none";
}

int main(int argc, char **argv) {
    int rank, size, sum = 0, length, read = -1;
    char host[MPI_MAX_PROCESSOR_NAME];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(host, &length);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (argc > 3 && !strcmp(argv[2], "sleep")) {
        FILE *pids = fopen(argv[3], "a");
        fprintf(pids, "%d\n", (int)getpid());
        fclose(pids);
        sleep(60);
    }
    FILE *file = fopen(argv[1], "r");
    if (file && fscanf(file, "%d", &read) != 1)
        read = -2;
    if (file)
        fclose(file);
    printf("%d of %d on %s sum %d read %d given %s task %s threads %s colour %s\n", rank, size, host, sum, read, argv[2],
           variable("DTASK_TASK"), variable("OMP_NUM_THREADS"), variable("COLOUR"));
    MPI_Finalize();
    return 0;
}
