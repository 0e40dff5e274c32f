/** The admin page. */
export const adminPage: string = "<!doctype html><title>Freshet</title>";
