"""Examples that several schemas show."""

AN_ID = "3f0c1a52-6f0e-4b1c-9a51-6f7d2f0e8c11"
A_BOX = [112, 40, 188, 141]
A_CASE = "2030/117"
A_TIME = "2030-01-31T12:00:00Z"
A_HASH = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
