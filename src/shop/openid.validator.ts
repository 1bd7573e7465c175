import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, Length, Matches } from 'class-validator';

/** WeChat's id of a user in one app. */
export function Openid(): PropertyDecorator {
  return applyDecorators(
    ApiProperty({ description: "WeChat's id of the user in the app", example: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' }),
    IsString(),
    Matches(/^[\w-]{1,128}$/, { message: '$property must be 1 to 128 letters, digits, _ or -' }),
  );
}

/** The app that an openid is of. */
export function Appid(): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({ description: "The app that the openid is of; left out: this server's", maxLength: 32 }),
    IsOptional(),
    IsString(),
    Length(1, 32),
  );
}
